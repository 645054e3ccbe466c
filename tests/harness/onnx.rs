//! Small ONNX models, encoded field by field: protocol buffers of ONNX's `onnx.proto`, IR version
//! 8.

/// An element type, by ONNX's number for it.
#[derive(Clone, Copy)]
pub(crate) enum Type {
    Float = 1,
    Int64 = 7,
    Text = 8,
    Bool = 9,
}

/// ONNX's numbers for attributes of the types INTS and GRAPH.
const INTS: u64 = 7;
const GRAPH: u64 = 5;

/// A model under construction.
#[derive(Default)]
pub(crate) struct Model {
    nodes: Vec<u8>,
    inputs: Vec<u8>,
    outputs: Vec<u8>,
    weights: Vec<u8>,
    opset: Option<u64>,
}

impl Model {
    /// An input; a dimension of `None` is dynamic.
    pub(crate) fn input(mut self, name: &str, kind: Type, shape: &[Option<u64>]) -> Self {
        field(&mut self.inputs, 11, &port(name, kind, shape));
        self
    }

    pub(crate) fn output(mut self, name: &str, kind: Type, shape: &[Option<u64>]) -> Self {
        field(&mut self.outputs, 12, &port(name, kind, shape));
        self
    }

    /// A node of the standard operators, or of another domain: `com.example:Frobnicate`.
    pub(crate) fn node(self, operator: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        self.node_of(operator, inputs, outputs, &[])
    }

    /// The same with attributes that are lists of integers.
    pub(crate) fn node_of(
        mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[(&str, &[u64])],
    ) -> Self {
        let (domain, operator) = operator.split_once(':').unwrap_or(("", operator));
        let mut node = Vec::new();
        inputs
            .iter()
            .for_each(|name| field(&mut node, 1, name.as_bytes()));
        outputs
            .iter()
            .for_each(|name| field(&mut node, 2, name.as_bytes()));
        field(&mut node, 3, format!("a {operator}").as_bytes());
        field(&mut node, 4, operator.as_bytes());
        for (name, numbers) in attributes {
            let mut attribute = Vec::new();
            field(&mut attribute, 1, name.as_bytes());
            numbers
                .iter()
                .for_each(|&one| number(&mut attribute, 8, one));
            number(&mut attribute, 20, INTS);
            field(&mut node, 5, &attribute);
        }
        field(&mut node, 7, domain.as_bytes());
        field(&mut self.nodes, 1, &node);
        self
    }

    /// An `If` node: one operator with one input in each branch.
    pub(crate) fn branches(
        mut self,
        condition: &str,
        then: (&str, &str),
        otherwise: (&str, &str),
        to: &str,
    ) -> Self {
        let mut node = Vec::new();
        field(&mut node, 1, condition.as_bytes());
        field(&mut node, 2, to.as_bytes());
        field(&mut node, 3, b"a choice");
        field(&mut node, 4, b"If");
        for (name, (operator, input)) in [("then_branch", then), ("else_branch", otherwise)] {
            let (mut inner, mut graph, mut attribute) = (Vec::new(), Vec::new(), Vec::new());
            field(&mut inner, 1, input.as_bytes());
            field(&mut inner, 2, name.as_bytes());
            field(&mut inner, 4, operator.as_bytes());
            field(&mut graph, 1, &inner);
            field(&mut graph, 2, name.as_bytes());
            let mut value = Vec::new();
            field(&mut value, 1, name.as_bytes());
            field(&mut graph, 12, &value);
            field(&mut attribute, 1, name.as_bytes());
            field(&mut attribute, 6, &graph);
            number(&mut attribute, 20, GRAPH);
            field(&mut node, 5, &attribute);
        }
        field(&mut self.nodes, 1, &node);
        self
    }

    /// A constant tensor of floats.
    pub(crate) fn weights(self, name: &str, shape: &[u64], numbers: &[f32]) -> Self {
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        self.constant(name, Type::Float, shape, &bytes)
    }

    /// A constant tensor of integers: shapes, axes.
    pub(crate) fn integers(self, name: &str, numbers: &[i64]) -> Self {
        let bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        self.constant(name, Type::Int64, &[numbers.len() as u64], &bytes)
    }

    /// A constant integer scalar.
    pub(crate) fn scalar(self, name: &str, number: i64) -> Self {
        self.constant(name, Type::Int64, &[], &number.to_le_bytes())
    }

    fn constant(mut self, name: &str, kind: Type, shape: &[u64], bytes: &[u8]) -> Self {
        let mut tensor = Vec::new();
        shape.iter().for_each(|&size| number(&mut tensor, 1, size));
        number(&mut tensor, 2, kind as u64);
        field(&mut tensor, 8, name.as_bytes());
        field(&mut tensor, 9, bytes);
        field(&mut self.weights, 5, &tensor);
        self
    }

    /// Sets the version of the standard operators; default: 17.
    pub(crate) fn opset(mut self, version: u64) -> Self {
        self.opset = Some(version);
        self
    }

    /// The encoded file.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut graph = self.nodes;
        field(&mut graph, 2, b"test");
        graph.extend([self.weights, self.inputs, self.outputs].concat());
        let mut model = Vec::new();
        number(&mut model, 1, 8);
        field(&mut model, 7, &graph);
        for (domain, version) in [("", self.opset.unwrap_or(17)), ("com.example", 1)] {
            let mut opset = Vec::new();
            field(&mut opset, 1, domain.as_bytes());
            number(&mut opset, 2, version);
            field(&mut model, 8, &opset);
        }
        model
    }
}

fn port(name: &str, kind: Type, shape: &[Option<u64>]) -> Vec<u8> {
    let mut dimensions = Vec::new();
    for (place, size) in shape.iter().enumerate() {
        let mut dimension = Vec::new();
        match size {
            Some(size) => number(&mut dimension, 1, *size),
            None => field(&mut dimension, 2, format!("{name}{place}").as_bytes()),
        }
        field(&mut dimensions, 1, &dimension);
    }
    let (mut tensor, mut value, mut port) = (Vec::new(), Vec::new(), Vec::new());
    number(&mut tensor, 1, kind as u64);
    field(&mut tensor, 2, &dimensions);
    field(&mut value, 1, &tensor);
    field(&mut port, 1, name.as_bytes());
    field(&mut port, 2, &value);
    port
}

fn number(to: &mut Vec<u8>, tag: u64, value: u64) {
    varint(to, tag << 3);
    varint(to, value);
}

fn field(to: &mut Vec<u8>, tag: u64, bytes: &[u8]) {
    varint(to, tag << 3 | 2);
    varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

fn varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    to.push(value.to_le_bytes()[0]);
}
