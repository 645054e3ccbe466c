//! Clears the processor's vector registers after a native engine has computed.
//!
//! A kernel that used 256- or 512-bit registers and did not clear their upper halves makes each
//! later instruction of the legacy SSE encoding slow: it must keep the half that it does not write.
//! Code of guests mixes both encodings, as registers are moved and spilled by legacy instructions
//! even where the processor has AVX, and pays up to a hundred times for it (docs/decisions/0013).
//! One instruction clears all of them. Default: always, after each computation and each load of a
//! graph; where the processor has no AVX, nothing is done.

/// Clears them when it is dropped, so on every exit from a computation.
pub(super) struct CleanAfter;

impl Drop for CleanAfter {
    fn drop(&mut self) {
        clean();
    }
}

/// JUSTIFICATION: there is no safe way to use an instruction that not every processor of the
/// architecture has.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "see JUSTIFICATION and SAFETY")]
fn clean() {
    if std::arch::is_x86_feature_detected!("avx") {
        // SAFETY: the processor has AVX, which was checked right before, and no caller keeps values
        // in the upper halves across a call: the calling convention leaves them to the callee.
        unsafe { clear_upper_halves() };
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
fn clear_upper_halves() {
    std::arch::x86_64::_mm256_zeroupper();
}

#[cfg(not(target_arch = "x86_64"))]
fn clean() {}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// Sets the upper half of a register and leaves it so, as a kernel in assembler does.
    #[expect(
        unsafe_code,
        reason = "assembler; it writes one register, which it names"
    )]
    fn dirty() {
        // SAFETY: the caller checked for AVX; it writes only the register that it names.
        unsafe {
            std::arch::asm!("vpcmpeqd xmm7, xmm7, xmm7", "vinsertf128 ymm7, ymm7, xmm7, 1", out("xmm7") _);
        };
    }

    /// What is in that half. No code of this test is compiled for AVX, so nothing else changes it.
    #[expect(
        unsafe_code,
        reason = "assembler; it writes one register, which it names"
    )]
    fn upper_half() -> u64 {
        let half: u64;
        // SAFETY: as above.
        unsafe {
            std::arch::asm!("vextractf128 xmm6, ymm7, 1", "vmovq {}, xmm6", out(reg) half, out("xmm6") _);
        };
        half
    }

    #[test]
    fn upper_halves_are_clean_afterwards() {
        if !std::arch::is_x86_feature_detected!("avx") {
            return;
        }
        dirty();
        let before = upper_half();
        drop(CleanAfter);
        assert_eq!((before, upper_half()), (u64::MAX, 0));
    }
}
