//! One session of ONNX Runtime for any number of threads.
//!
//! The binding lets one thread at a time compute with a session, as execution providers for devices
//! have broken the library's promise that more may. On the CPU alone the promise holds: servers
//! compute so on many threads, and so do the library's own stress tests. So only sessions without
//! other providers are shared here, and the call bypasses the binding. Unwanted outputs are not
//! requested. Bound: the caller's permits.

use std::ffi::{CString, c_char};
use std::ptr::{self, NonNull};

use hotstage_core::signature::{Port, Signature};
use ort::session::{RunOptions, Session, SessionInputValue};
use ort::value::DynValue;
use ort::{AsPointer as _, Error};

/// A session that computes on the CPU alone.
pub(super) struct Shared {
    session: Session,
    inputs: Vec<CString>,
    outputs: Vec<CString>,
}

impl Shared {
    pub(super) fn new(session: Session, signature: &Signature) -> ort::Result<Self> {
        let names = |ports: &[Port]| -> ort::Result<Vec<CString>> {
            let name = |port: &Port| {
                CString::new(port.name.as_str()).map_err(|error| Error::new(error.to_string()))
            };
            ports.iter().map(name).collect()
        };
        Ok(Self {
            session,
            inputs: names(&signature.inputs)?,
            outputs: names(&signature.outputs)?,
        })
    }

    /// One computation: a value for each input of the signature, one for each of its outputs.
    ///
    /// JUSTIFICATION: the binding's own call needs exclusive access to the session, so each thread
    /// would need a copy of the weights: eight of them held 991 MB where one holds 247.
    #[expect(unsafe_code, reason = "see JUSTIFICATION and SAFETY")]
    pub(super) fn run(
        &self,
        inputs: &[SessionInputValue<'_>],
        options: &RunOptions,
    ) -> ort::Result<Vec<DynValue>> {
        if inputs.len() != self.inputs.len() {
            return Err(Error::new(format!(
                "{} inputs for {} that it takes",
                inputs.len(),
                self.inputs.len()
            )));
        }
        let input_names: Vec<*const c_char> =
            self.inputs.iter().map(|name| name.as_ptr()).collect();
        let output_names: Vec<*const c_char> =
            self.outputs.iter().map(|name| name.as_ptr()).collect();
        let values: Vec<*const ort::sys::OrtValue> =
            inputs.iter().map(|value| value.ptr()).collect();
        let mut outputs: Vec<*mut ort::sys::OrtValue> = vec![ptr::null_mut(); output_names.len()];
        // SAFETY: every pointer refers to something that lives until the call has returned: names,
        // values, options and session are borrowed. Each array has the length that is passed with
        // it. The library allows `Run` on one session from many threads; it changes nothing of a
        // session without other execution providers than the CPU's (`Sessions::open` keeps those
        // away).
        let status = unsafe {
            (ort::api().Run)(
                self.session.ptr().cast_mut(),
                options.ptr(),
                input_names.as_ptr(),
                values.as_ptr(),
                values.len(),
                output_names.as_ptr(),
                output_names.len(),
                outputs.as_mut_ptr(),
            )
        };
        // SAFETY: it is the status that the library just returned, and is freed only here.
        unsafe { Error::result_from_status(status) }?;
        let value = |output: *mut ort::sys::OrtValue| {
            let output =
                NonNull::new(output).ok_or_else(|| Error::new("an output is not there"))?;
            // SAFETY: the library created it for this call and transferred ownership; it lies in
            // memory of the session's allocator. The session outlives it: its owner keeps the
            // session, too (`values::InPlace`).
            Ok(unsafe { DynValue::from_ptr(output, Some(self.session.allocator())) })
        };
        outputs.into_iter().map(value).collect()
    }
}
