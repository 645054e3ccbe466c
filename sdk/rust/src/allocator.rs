//! The component's global allocator: a free list (a *shelf*) for each small size class, over the
//! standard library's allocator.
//!
//! A call of a small stage allocates and frees about a dozen times, because lists cross the ABI as
//! memory of the component. In the sandbox the standard library's allocator takes about 200
//! instructions each time, a third of a small stage. Here a freed block goes to the shelf of its
//! size class and serves the next allocation of that class.
//!
//! Default: on; a component with its own `#[global_allocator]` disables the feature `allocator`.
//! Bounds: [`SHELVES`] shelves of at most [`SHELF`] blocks, less than 300 KiB in all. Larger blocks
//! and blocks whose shelf is full go to the standard library's allocator. The stage's limit
//! `memory` bounds everything. An error here can harm only the component itself: it runs in the
//! sandbox.

#![expect(
    unsafe_code,
    reason = "an allocator hands out raw memory; see the module documentation"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::{NonNull, null_mut};

/// Difference between two size classes, in bytes.
const STEP: usize = 16;
/// Number of size classes.
const SHELVES: usize = 32;
/// Maximum number of blocks on one shelf.
const SHELF: u32 = 32;
/// Alignment of every block, in bytes.
const ALIGN: usize = 8;

/// The shelves of one thread.
pub(crate) struct Shelves([Shelf; SHELVES]);

/// A linked list of free blocks of one size class.
struct Shelf {
    first: Cell<Option<NonNull<Block>>>,
    count: Cell<u32>,
}

struct Block {
    next: Option<NonNull<Self>>,
}

// SAFETY: WebAssembly components of this package have one thread. Natively only tests make one, for
// one thread each.
unsafe impl Sync for Shelves {}

impl Shelves {
    pub(crate) const fn new() -> Self {
        Self(
            [const {
                Shelf {
                    first: Cell::new(None),
                    count: Cell::new(0),
                }
            }; SHELVES],
        )
    }
}

impl Shelf {
    fn take(&self) -> Option<NonNull<Block>> {
        let block = self.first.get()?;
        // SAFETY: blocks on a shelf have no other owner, and `put` wrote a `Block` into each.
        self.first.set(unsafe { block.as_ref() }.next);
        self.count.set(self.count.get() - 1);
        Some(block)
    }

    /// Adds a block, or returns false if the shelf is full.
    ///
    /// # Safety
    ///
    /// The block has this shelf's size, is aligned to [`ALIGN`], and has no other owner.
    unsafe fn put(&self, block: NonNull<Block>) -> bool {
        if self.count.get() == SHELF {
            return false;
        }
        // SAFETY: the caller's promise; every block is at least as large and as aligned as a
        // `Block`.
        unsafe {
            block.write(Block {
                next: self.first.get(),
            });
        };
        self.first.set(Some(block));
        self.count.set(self.count.get() + 1);
        true
    }
}

/// The shelf for a layout; `None` if it is too large or too strictly aligned.
const fn shelf_of(layout: Layout) -> Option<usize> {
    let index = layout.size().wrapping_sub(1) / STEP;
    if index < SHELVES && layout.align() <= ALIGN {
        Some(index)
    } else {
        None
    }
}

/// The layout of the blocks on a shelf.
const fn block_of(shelf: usize) -> Layout {
    match Layout::from_size_align((shelf + 1) * STEP, ALIGN) {
        Ok(layout) => layout,
        Err(_) => Layout::new::<Block>(),
    }
}

// SAFETY: all memory comes from the standard library's allocator. It is allocated and freed with
// the layout of its shelf, or with its own layout if it has no shelf; both are determined by the
// layout that the caller must pass each time. A block always has one owner: a caller or a shelf.
unsafe impl GlobalAlloc for Shelves {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(index) = shelf_of(layout) else {
            // SAFETY: the caller's promise about the layout.
            return unsafe { System.alloc(layout) };
        };
        match self.0[index].take() {
            Some(block) => block.as_ptr().cast(),
            // SAFETY: no shelf has blocks of size 0.
            None => unsafe { System.alloc(block_of(index)) },
        }
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let (Some(index), Some(block)) = (shelf_of(layout), NonNull::new(memory)) else {
            // SAFETY: memory without a shelf was allocated by `System`, with this layout.
            return unsafe { System.dealloc(memory, layout) };
        };
        // SAFETY: it was allocated with this layout, so it has this shelf's size; its owner frees
        // it.
        if !unsafe { self.0[index].put(block.cast()) } {
            // SAFETY: a block was allocated by `System`, with the layout of its shelf.
            unsafe { System.dealloc(memory, block_of(index)) }
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size is valid with this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (shelf_of(layout), shelf_of(wanted)) {
            (Some(had), Some(wanted)) if had == wanted => return memory,
            // SAFETY: memory without a shelf was allocated by `System`, with this layout.
            (None, None) => return unsafe { System.realloc(memory, layout, size) },
            _ => {}
        }
        // SAFETY: as above.
        let moved = unsafe { self.alloc(wanted) };
        if moved.is_null() {
            return null_mut();
        }
        // SAFETY: both blocks are at least as long as the copy, the new block has no other owner,
        // and the caller frees the old one with its layout.
        unsafe {
            memory.copy_to_nonoverlapping(moved, layout.size().min(size));
            self.dealloc(memory, layout);
        }
        moved
    }
}

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: Shelves = Shelves::new();

#[cfg(test)]
mod tests {
    use super::*;

    /// An allocation, filled with its own byte.
    struct Had {
        memory: *mut u8,
        layout: Layout,
        fill: u8,
    }

    impl Had {
        fn new(memory: *mut u8, layout: Layout, fill: u8) -> Self {
            assert!(!memory.is_null() && memory.addr().is_multiple_of(layout.align()));
            // SAFETY: it was allocated with this layout.
            unsafe { memory.write_bytes(fill, layout.size()) };
            Self {
                memory,
                layout,
                fill,
            }
        }

        /// Whether no other allocation overwrote it.
        fn is_whole(&self, size: usize) -> bool {
            // SAFETY: `new` wrote this many bytes.
            unsafe { std::slice::from_raw_parts(self.memory, size) }
                .iter()
                .all(|byte| *byte == self.fill)
        }
    }

    /// Deterministic pseudo-random numbers.
    fn chance(state: &mut u32, bound: u32) -> usize {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from((*state >> 8) % bound).unwrap()
    }

    #[test]
    fn allocations_never_overlap() {
        let (shelves, mut state, mut all) = (Shelves::new(), 7, Vec::<Had>::new());
        for round in 0..100_000_usize {
            let fill = u8::try_from(round % 251).unwrap();
            let size = 1 + chance(&mut state, 700);
            match chance(&mut state, 5) {
                0 | 1 if !all.is_empty() => {
                    let index = chance(&mut state, u32::try_from(all.len()).unwrap());
                    let had = all.swap_remove(index);
                    assert!(had.is_whole(had.layout.size()));
                    // SAFETY: it was allocated with this layout and is not used again.
                    unsafe { shelves.dealloc(had.memory, had.layout) };
                }
                2 if !all.is_empty() => {
                    let index = chance(&mut state, u32::try_from(all.len()).unwrap());
                    let had = all.swap_remove(index);
                    // SAFETY: as above.
                    let memory = unsafe { shelves.realloc(had.memory, had.layout, size) };
                    let moved = Had { memory, ..had };
                    assert!(moved.is_whole(moved.layout.size().min(size)));
                    let layout = Layout::from_size_align(size, moved.layout.align()).unwrap();
                    all.push(Had::new(memory, layout, fill));
                }
                _ => {
                    let layout = Layout::from_size_align(size, 1 << chance(&mut state, 6)).unwrap();
                    // SAFETY: the size is not 0.
                    all.push(Had::new(unsafe { shelves.alloc(layout) }, layout, fill));
                }
            }
        }
        for had in all {
            assert!(had.is_whole(had.layout.size()));
            // SAFETY: as above.
            unsafe { shelves.dealloc(had.memory, had.layout) };
        }
        assert!(shelves.0.iter().all(|shelf| shelf.count.get() <= SHELF));
    }

    #[test]
    fn freed_blocks_are_reused_and_a_shelf_is_bounded() {
        let (shelves, layout) = (Shelves::new(), Layout::from_size_align(100, 8).unwrap());
        // SAFETY: the size is not 0; each is freed once, with its layout.
        unsafe {
            let first = shelves.alloc(layout);
            shelves.dealloc(first, layout);
            assert_eq!(
                shelves.alloc(Layout::from_size_align(97, 1).unwrap()),
                first
            );
            shelves.dealloc(first, layout);
            let many: Vec<*mut u8> = (0..2 * SHELF).map(|_| shelves.alloc(layout)).collect();
            many.into_iter()
                .for_each(|memory| shelves.dealloc(memory, layout));
        }
        assert_eq!(shelves.0[100 / STEP].count.get(), SHELF);
    }
}
