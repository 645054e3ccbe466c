//! The file `weights`: a safetensors file with `0.weight` `[out, in]`, `0.bias` `[out]`,
//! `1.weight`, … of F32.
//!
//! Every error names the tensor, what is expected of it and what it is. Bound: the number of layers
//! in the file.

use hotstage_sdk::OpenError;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::layer::Layer;

pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Layer>, OpenError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        OpenError::file(format!("file `weights`: is no safetensors file: {error}"))
    })?;
    let mut layers: Vec<Layer> = Vec::new();
    while let Ok(weight) = file.tensor(&format!("{}.weight", layers.len())) {
        let layer = read_layer(
            &file,
            layers.len(),
            &weight,
            layers.last().map(Layer::outputs),
        )?;
        layers.push(layer);
    }
    check_names(&file, layers.len())?;
    Ok(layers)
}

fn read_layer(
    file: &SafeTensors<'_>,
    index: usize,
    weight: &TensorView<'_>,
    fed_by: Option<usize>,
) -> Result<Layer, OpenError> {
    let name = format!("{index}.weight");
    let expected = fed_by.map_or_else(
        || "[out, in]".to_owned(),
        |inputs| format!("[out, {inputs}]"),
    );
    let weights = floats(&name, weight)?;
    let &[outputs, inputs] = weight.shape() else {
        return Err(misshapen(&name, &expected, weight.shape()));
    };
    if outputs == 0 || inputs == 0 || fed_by.is_some_and(|fed_by| fed_by != inputs) {
        return Err(misshapen(&name, &expected, weight.shape()));
    }
    let name = format!("{index}.bias");
    let bias = file.tensor(&name).map_err(|_| {
        OpenError::file(format!(
            "file `weights`: lacks the tensor `{name}` of shape [{outputs}]"
        ))
    })?;
    let biases = floats(&name, &bias)?;
    if bias.shape() != [outputs] {
        return Err(misshapen(&name, &format!("[{outputs}]"), bias.shape()));
    }
    Ok(Layer::new(inputs, &weights, biases))
}

/// An unused tensor means that the file belongs to another model.
fn check_names(file: &SafeTensors<'_>, layers: usize) -> Result<(), OpenError> {
    if layers == 0 {
        return Err(OpenError::file(
            "file `weights`: lacks the tensor `0.weight` of shape [out, in]",
        ));
    }
    let is_known = |name: &str| {
        name.split_once('.').is_some_and(|(index, kind)| {
            index.parse::<usize>().is_ok_and(|index| index < layers)
                && (kind == "weight" || kind == "bias")
        })
    };
    let mut names = file.names();
    names.sort_unstable();
    match names.into_iter().find(|name| !is_known(name)) {
        Some(name) => Err(OpenError::file(format!(
            "file `weights`: the tensor `{name}` belongs to no layer; there are {layers} layers, `0` to `{}`, each \
             with `.weight` and `.bias`",
            layers - 1
        ))),
        None => Ok(()),
    }
}

fn floats(name: &str, tensor: &TensorView<'_>) -> Result<Vec<f32>, OpenError> {
    let given = tensor.dtype();
    if given != Dtype::F32 {
        return Err(OpenError::file(format!(
            "file `weights`: tensor `{name}`: expected F32, given {given:?}"
        )));
    }
    let floats: Vec<f32> = tensor
        .data()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    match floats.iter().position(|float| !float.is_finite()) {
        Some(index) => {
            let float = floats[index];
            Err(OpenError::file(format!(
                "file `weights`: tensor `{name}`: element {index} is {float}"
            )))
        }
        None => Ok(floats),
    }
}

fn misshapen(name: &str, expected: &str, given: &[usize]) -> OpenError {
    OpenError::file(format!(
        "file `weights`: tensor `{name}`: expected shape {expected}, given {given:?}"
    ))
}
