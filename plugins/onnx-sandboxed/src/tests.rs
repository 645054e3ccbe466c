//! Small graphs, built here, and the answers of another implementation.

mod call;
mod golden;
mod open;

use hotstage_sdk::testing::{Bench, open_model};
use hotstage_sdk::{Files, OpenError};
use prost::Message;
use serde_json::{Value, json};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType, type_proto,
};

use crate::Onnx;

/// A model under construction.
#[derive(Clone)]
struct Builder(ModelProto);

impl Builder {
    fn new() -> Self {
        let opset = OperatorSetIdProto {
            version: 17,
            ..Default::default()
        };
        let graph = GraphProto {
            name: "test".to_owned(),
            ..Default::default()
        };
        Self(ModelProto {
            ir_version: 8,
            opset_import: vec![opset],
            graph: Some(graph),
            ..Default::default()
        })
    }

    fn graph(&mut self) -> &mut GraphProto {
        self.0.graph.as_mut().unwrap()
    }

    fn input(mut self, name: &str, datatype: DataType, shape: &[&str]) -> Self {
        self.graph().input.push(info(name, datatype, shape));
        self
    }

    fn output(mut self, name: &str, datatype: DataType, shape: &[&str]) -> Self {
        self.graph().output.push(info(name, datatype, shape));
        self
    }

    fn node(self, operator: &str, inputs: &[&str], output: &str) -> Self {
        self.node_with(operator, inputs, output, &[])
    }

    fn node_with(
        mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, i64)],
    ) -> Self {
        let attribute = attributes.iter().map(|(name, i)| AttributeProto {
            name: (*name).to_owned(),
            r#type: AttributeType::Int as i32,
            i: *i,
            ..Default::default()
        });
        self.graph().node.push(NodeProto {
            name: format!("the_{}", operator.to_lowercase()),
            op_type: operator.to_owned(),
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute: attribute.collect(),
            ..Default::default()
        });
        self
    }

    fn floats(mut self, name: &str, dims: &[i64], float_data: &[f32]) -> Self {
        let (name, data_type, dims) = (name.to_owned(), DataType::Float as i32, dims.to_vec());
        let float_data = float_data.to_vec();
        self.graph().initializer.push(TensorProto {
            name,
            data_type,
            dims,
            float_data,
            ..Default::default()
        });
        self
    }

    fn change(mut self, change: impl FnOnce(&mut ModelProto)) -> Self {
        change(&mut self.0);
        self
    }

    fn files(&self) -> Files {
        Files::from_map([("model", self.0.encode_to_vec())])
    }

    fn open(&self) -> Bench<Onnx> {
        self.open_with(json!({})).unwrap()
    }

    fn open_with(&self, settings: Value) -> Result<Bench<Onnx>, OpenError> {
        open_model(settings, self.files())
    }

    #[track_caller]
    fn refusal(&self) -> String {
        self.open_with(json!({})).unwrap_err().to_string()
    }
}

/// A dimension is a number, a name, or absent.
fn info(name: &str, datatype: DataType, shape: &[&str]) -> ValueInfoProto {
    let dim = shape.iter().map(|size| Dimension {
        denotation: String::new(),
        value: match size.parse() {
            Ok(size) => Some(dimension::Value::DimValue(size)),
            Err(_) if size.is_empty() => None,
            Err(_) => Some(dimension::Value::DimParam((*size).to_owned())),
        },
    });
    let shape = Some(TensorShapeProto { dim: dim.collect() });
    let tensor = type_proto::Tensor {
        elem_type: datatype as i32,
        shape,
    };
    let r#type = TypeProto {
        denotation: String::new(),
        value: Some(type_proto::Value::TensorType(tensor)),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(r#type),
        doc_string: String::new(),
    }
}

/// `y = x · w + b` for any number of rows.
fn affine() -> Builder {
    Builder::new()
        .input("x", DataType::Float, &["rows", "2"])
        .floats("w", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
        .floats("b", &[3], &[0.5, 0.0, -0.5])
        .node("MatMul", &["x", "w"], "product")
        .node("Add", &["product", "b"], "y")
        .output("y", DataType::Float, &["rows", "3"])
}
