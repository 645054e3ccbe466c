//! Requests with tensors: one per column, one of JSON rows, or one numeric table.
//!
//! Elements are counted from 0, as in clients' arrays. Bound: a tensor is read in place; for BYTES,
//! a list of the elements' positions is made.

use hotstage_sdk::{Datatype, Element, Failure, Inputs, Outputs, bf16, f16};

use crate::cell::Cell;
use crate::json::Rows;
use crate::layout::Layout;

/// The elements of one column.
enum View<'a> {
    Numbers(Box<dyn Fn(usize) -> f64 + 'a>),
    Flags(&'a [bool]),
    Texts(Vec<&'a [u8]>),
}

/// One input for each source.
pub(crate) fn columns(
    layout: &Layout,
    inputs: &Inputs,
    outputs: &mut Outputs,
    output: &str,
) -> Result<(), Failure> {
    let Some(first) = layout.sources.first() else {
        return Err(Failure::internal("no columns"));
    };
    let rows = length(inputs, first)?;
    layout.check_rows(rows)?;
    for name in &layout.sources {
        let given = length(inputs, name)?;
        if given != rows {
            return Err(Failure::invalid_input(format!(
                "input `{name}`: has {given} elements, and input `{first}` has {rows}; there must be as many"
            )));
        }
    }
    let views = layout
        .sources
        .iter()
        .zip(&layout.datatypes)
        .map(|(name, datatype)| View::new(inputs, name, *datatype));
    let views = views.collect::<Result<Vec<_>, _>>()?;
    let elements = outputs.make_slice::<f32>(output, &[rows, layout.width])?;
    for (index, row) in elements.chunks_exact_mut(layout.width).enumerate() {
        let cell = |source: usize| {
            views
                .get(source)
                .map_or(Cell::Missing, |view| view.cell(index))
        };
        layout.encode(cell, row).map_err(|wrong| {
            let (name, what) = (layout.name(wrong.source), wrong.what);
            Failure::invalid_input(format!("input `{name}`: element {index} {what}"))
        })?;
    }
    Ok(())
}

/// One input whose elements are JSON rows.
pub(crate) fn rows(
    layout: &Layout,
    inputs: &Inputs,
    input: &str,
    outputs: &mut Outputs,
    output: &str,
) -> Result<(), Failure> {
    let count = length(inputs, input)?;
    layout.check_rows(count)?;
    let mut rows = Rows::new(layout);
    let elements = outputs.make_slice::<f32>(output, &[count, layout.width])?;
    for (index, (text, row)) in inputs
        .bytes(input)?
        .zip(elements.chunks_exact_mut(layout.width))
        .enumerate()
    {
        let refuse =
            |what| Failure::invalid_input(format!("input `{input}`: element {index}{what}"));
        let cells = rows.read(text).map_err(refuse)?;
        let cell = |source: usize| {
            cells
                .get(source)
                .and_then(Option::as_ref)
                .map_or(Cell::Missing, Cell::lend)
        };
        layout.encode(cell, row).map_err(|wrong| {
            refuse(format!(
                ", column `{}`: {}",
                layout.name(wrong.source),
                wrong.what
            ))
        })?;
    }
    Ok(())
}

/// One input that is a numeric table.
pub(crate) fn table(
    layout: &Layout,
    inputs: &Inputs,
    input: &str,
    outputs: &mut Outputs,
    output: &str,
) -> Result<(), Failure> {
    let count = length(inputs, input)?;
    layout.check_rows(count)?;
    let fields = layout.fields();
    let given = inputs
        .slice::<f32>(input)?
        .chunks_exact(layout.places.len());
    let elements = outputs.make_slice::<f32>(output, &[count, layout.width])?;
    for (index, (given, row)) in given
        .zip(elements.chunks_exact_mut(layout.width))
        .enumerate()
    {
        let field = |source: usize| fields.get(source).copied().unwrap_or_default();
        let cell = |source| {
            given
                .get(field(source))
                .map_or(Cell::Missing, |number| Cell::Number(f64::from(*number)))
        };
        layout.encode(cell, row).map_err(|wrong| {
            let (column, name, what) = (field(wrong.source), layout.name(wrong.source), wrong.what);
            Failure::invalid_input(format!(
                "input `{input}`: row {index}, column {column} (`{name}`) {what}"
            ))
        })?;
    }
    Ok(())
}

/// The size of the first dimension.
fn length(inputs: &Inputs, name: &str) -> Result<usize, Failure> {
    let first = inputs.get(name)?.shape().first().copied().unwrap_or(1);
    Ok(usize::try_from(first).unwrap_or(usize::MAX))
}

impl<'a> View<'a> {
    fn new(inputs: &'a Inputs, name: &str, datatype: Datatype) -> Result<Self, Failure> {
        fn numbers<'a, T: Element>(
            inputs: &'a Inputs,
            name: &str,
            widen: fn(T) -> f64,
        ) -> Result<View<'a>, Failure> {
            let elements = inputs.slice::<T>(name)?;
            Ok(View::Numbers(Box::new(move |index| {
                elements
                    .get(index)
                    .map_or(f64::NAN, |element| widen(*element))
            })))
        }
        match datatype {
            Datatype::Bool => Ok(View::Flags(inputs.slice(name)?)),
            Datatype::Bytes => Ok(View::Texts(inputs.bytes(name)?.collect())),
            Datatype::Uint8 => numbers::<u8>(inputs, name, f64::from),
            Datatype::Uint16 => numbers::<u16>(inputs, name, f64::from),
            Datatype::Uint32 => numbers::<u32>(inputs, name, f64::from),
            Datatype::Uint64 => numbers::<u64>(inputs, name, |number| number as f64),
            Datatype::Int8 => numbers::<i8>(inputs, name, f64::from),
            Datatype::Int16 => numbers::<i16>(inputs, name, f64::from),
            Datatype::Int32 => numbers::<i32>(inputs, name, f64::from),
            Datatype::Int64 => numbers::<i64>(inputs, name, |number| number as f64),
            Datatype::Fp16 => numbers::<f16>(inputs, name, f64::from),
            Datatype::Bf16 => numbers::<bf16>(inputs, name, f64::from),
            Datatype::Fp32 => numbers::<f32>(inputs, name, f64::from),
            Datatype::Fp64 => numbers::<f64>(inputs, name, |number| number),
        }
    }

    fn cell(&self, index: usize) -> Cell<'a> {
        match self {
            Self::Numbers(number) => Cell::Number(number(index)),
            Self::Flags(flags) => flags
                .get(index)
                .map_or(Cell::Missing, |flag| Cell::Boolean(*flag)),
            Self::Texts(texts) => texts
                .get(index)
                .map_or(Cell::Missing, |text| Cell::text(text)),
        }
    }
}
