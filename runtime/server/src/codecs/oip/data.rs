//! Decodes the text of `data` directly into a tensor's bytes.
//!
//! The lists are flat, or nested exactly as the shape says. The envelope has already checked the
//! JSON syntax, so this pass reads only brackets and elements, without recursion. It reserves
//! memory for as many elements as the shape says or the text can hold, whichever is less.

use hotstage_core::datatype::Datatype;
use hotstage_core::limits::DIMENSIONS_MAX;
use hotstage_core::tensor::{push_bytes_element, show_shape};

use super::element::{self, Element};
use super::number;
use super::text;

/// Decodes the elements. `elements` is the product of `shape`, which has at most [`DIMENSIONS_MAX`]
/// dimensions.
pub(super) fn read(
    datatype: Datatype,
    shape: &[u64],
    elements: usize,
    data: &str,
) -> Result<Vec<u8>, String> {
    let walk = Walk {
        data,
        nest: Nest::new(shape, elements),
        datatype,
    };
    match datatype {
        Datatype::Bool => numbers::<bool>(walk, elements),
        Datatype::Uint8 => numbers::<u8>(walk, elements),
        Datatype::Uint16 => numbers::<u16>(walk, elements),
        Datatype::Uint32 => numbers::<u32>(walk, elements),
        Datatype::Uint64 => numbers::<u64>(walk, elements),
        Datatype::Int8 => numbers::<i8>(walk, elements),
        Datatype::Int16 => numbers::<i16>(walk, elements),
        Datatype::Int32 => numbers::<i32>(walk, elements),
        Datatype::Int64 => numbers::<i64>(walk, elements),
        Datatype::Fp32 => numbers::<f32>(walk, elements),
        Datatype::Fp64 => numbers::<f64>(walk, elements),
        Datatype::Bytes => strings(walk, elements),
        Datatype::Fp16 | Datatype::Bf16 => Err(format!(
            "{datatype} can't be given in JSON; send it with the binary tensor extension"
        )),
    }
}

/// An upper bound on the elements in a text: each needs a comma or a bracket beside it.
fn elements_at_most(data: &str, elements: usize) -> usize {
    elements.min(data.len() / 2 + 1)
}

fn numbers<E: Element>(walk: Walk<'_>, elements: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(elements_at_most(walk.data, elements) * size_of::<E>());
    walk.run(|rest| {
        if let Some(short) = number::short(rest.as_bytes())
            && let Some(element) = E::from_short(&short)
        {
            element.put(&mut out);
            return Some(short.length);
        }
        let token = text::token(rest);
        E::from_token(token)?.put(&mut out);
        Some(token.len())
    })?;
    Ok(out)
}

fn strings(walk: Walk<'_>, elements: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(
        elements_at_most(walk.data, elements) * size_of::<u32>() + walk.data.len(),
    );
    walk.run(|rest| {
        let token = text::token(rest);
        push_bytes_element(&mut out, text::string(token)?.as_bytes());
        Some(token.len())
    })?;
    Ok(out)
}

/// One pass over the text.
struct Walk<'a> {
    data: &'a str,
    nest: Nest<'a>,
    datatype: Datatype,
}

impl Walk<'_> {
    /// Calls `element` with the text from each element on. It returns the element's length, or
    /// `None` to reject the element.
    #[inline]
    fn run(mut self, mut element: impl FnMut(&str) -> Option<usize>) -> Result<(), String> {
        if !self.data.starts_with('[') {
            return Err(format!(
                "data must be a list, given {}",
                text::excerpt(self.data)
            ));
        }
        let mut at = 0;
        let mut index = 0;
        while let Some(byte) = self.data.as_bytes().get(at) {
            at += match byte {
                b',' | b' ' | b'\n' | b'\r' | b'\t' => 1,
                b'[' => self.nest.open().map(|()| 1)?,
                b']' => self.nest.close().map(|()| 1)?,
                _ => {
                    self.nest.element()?;
                    let rest = self.data.get(at..).unwrap_or_default();
                    let length = element(rest)
                        .ok_or_else(|| element::refusal(self.datatype, index, text::token(rest)))?;
                    index += 1;
                    length
                }
            };
        }
        Ok(())
    }
}

/// The open lists, and how many items each holds so far.
struct Nest<'a> {
    shape: &'a [u64],
    elements: usize,
    depth: usize,
    /// The depth of the lists that hold elements: 1 when flat, 0 until the first element or nested
    /// list decides it.
    leaf: usize,
    /// Counts of the open list at each depth.
    counts: [u64; DIMENSIONS_MAX + 1],
}

impl<'a> Nest<'a> {
    fn new(shape: &'a [u64], elements: usize) -> Self {
        Self {
            shape,
            elements,
            depth: 0,
            leaf: 0,
            counts: [0; DIMENSIONS_MAX + 1],
        }
    }

    fn open(&mut self) -> Result<(), String> {
        if self.depth > 0 {
            if self.leaf == 0 {
                self.leaf = self.shape.len();
            }
            if self.depth >= self.leaf {
                return Err(self.too_deep());
            }
            self.counts[self.depth] += 1;
        }
        self.depth += 1;
        self.counts[self.depth] = 0;
        Ok(())
    }

    #[inline]
    fn element(&mut self) -> Result<(), String> {
        if self.leaf == 0 {
            self.leaf = 1;
        }
        if self.depth != self.leaf {
            return Err(self.too_shallow());
        }
        self.counts[self.depth] += 1;
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let given = self.counts[self.depth];
        if self.leaf <= 1 {
            if given != self.elements as u64 {
                let (shape, elements) = (show_shape(self.shape), self.elements);
                return Err(format!(
                    "shape {shape} takes {elements} elements, given {given}"
                ));
            }
        } else {
            let takes = self.shape[self.depth - 1];
            if given != takes {
                let place = self.place(self.depth - 1);
                let (shape, things) = (
                    show_shape(self.shape),
                    if given == 1 { "value" } else { "values" },
                );
                return Err(format!(
                    "{place} has {given} {things}, where shape {shape} takes {takes}"
                ));
            }
        }
        self.depth -= 1;
        Ok(())
    }

    #[cold]
    fn too_shallow(&self) -> String {
        format!(
            "{} is not a list, but shape {} needs one",
            self.place(self.depth),
            show_shape(self.shape)
        )
    }

    #[cold]
    fn too_deep(&self) -> String {
        if self.leaf == 1 && self.shape.len() > 1 {
            format!("{} is a list among plain values", self.place(self.depth))
        } else {
            format!(
                "data is nested deeper than shape {}",
                show_shape(self.shape)
            )
        }
    }

    /// The current position down to the given depth: `data[1][4]`.
    #[cold]
    fn place(&self, depth: usize) -> String {
        let mut place = String::from("data");
        for (level, count) in self.counts.iter().enumerate().skip(1).take(depth) {
            // A list that is open in this one has been counted already; what comes next has not.
            let index = if level < self.depth {
                count.saturating_sub(1)
            } else {
                *count
            };
            place.push_str(&format!("[{index}]"));
        }
        place
    }
}
