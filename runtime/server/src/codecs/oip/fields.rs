//! Decodes a tensor's object: its name, its shape, and its elements from JSON or from the binary
//! part.

use std::borrow::Cow;

use hotstage_core::datatype::Datatype;
use hotstage_core::failure::Failure;
use hotstage_core::limits::DIMENSIONS_MAX;
use hotstage_core::tensor::{Shape, Tensor, TensorError, elements_of};

use super::binary::Blobs;
use super::data;
use super::envelope::Fields;
use super::field_path::{FieldPath, Label};
use super::parameters::Parameters;
use super::text::{excerpt, string};

/// A required string.
pub(super) fn required_string<'a>(
    place: FieldPath,
    key: &str,
    raw: Option<&'a str>,
) -> Result<Cow<'a, str>, Failure> {
    let raw = place.require(key, raw)?;
    string(raw).ok_or_else(|| {
        Failure::invalid(format!(
            "{place}{key} must be a string, given {}",
            excerpt(raw)
        ))
    })
}

/// The sizes of the dimensions.
pub(super) fn shape(
    place: FieldPath,
    label: Label<'_>,
    raw: Option<&str>,
) -> Result<Shape, Failure> {
    let raw = place.require("shape", raw)?;
    let Some(inner) = raw
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    else {
        return Err(Failure::invalid(format!(
            "{place}shape must be a list of sizes, given {}",
            excerpt(raw)
        )));
    };
    let space = [' ', '\n', '\r', '\t'];
    let mut shape = Shape::new();
    if inner.trim_matches(space).is_empty() {
        return Ok(shape);
    }
    for size in inner.split(',') {
        if shape.len() == DIMENSIONS_MAX {
            return Err(label.refuse(TensorError::TooManyDimensions(inner.split(',').count())));
        }
        let size = size.trim_matches(space).parse().map_err(|_not_a_size| {
            label.refuse(format_args!(
                "shape {} contains one or more invalid dimensions",
                excerpt(raw)
            ))
        })?;
        shape.push(size);
    }
    Ok(shape)
}

/// The tensor of an object.
pub(super) fn tensor(
    (place, label): (FieldPath, Label<'_>),
    datatype: Datatype,
    shape: Shape,
    fields: &Fields<'_>,
    blobs: &mut Blobs<'_>,
) -> Result<Tensor, Failure> {
    let parameters = Parameters::read(place, fields.parameters)?;
    let bytes = match (fields.data, parameters.binary_data_size) {
        (Some(_), Some(_)) => {
            return Err(label.refuse(
                "both data and parameters.binary_data_size are given; it takes one of them",
            ));
        }
        (None, Some(size)) => blobs.take(label, size)?,
        (data, None) => {
            let data = place.require("data", data)?;
            let elements = elements_of(&shape).map_err(|error| label.refuse(error))?;
            data::read(datatype, &shape, elements, data)
                .map_err(|what| label.refuse(what))?
                .into()
        }
    };
    Tensor::new(datatype, shape, bytes).map_err(|error| label.refuse(error))
}
