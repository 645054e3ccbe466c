//! Tests of graphs: plans as tables of text, and conditions and merges over tensors.

mod plans;
mod values;
