//! A graph that is built node by node.

use crate::proto::{
    Attribute, AttributeType, DataLocation, DataType, Dimension, Graph, Node, Property, Shape,
    Tensor, TensorType, Type, Value,
};

/// The name of the dimension that can have any size.
const BATCH: &str = "batch";
/// Constants of fewer bytes stay in the graph: shapes of convolutions must.
const LEAST_EXTERNAL: usize = 1024;
/// External values begin at multiples of this, so that they can be mapped into memory.
const PAGE: usize = 4096;

/// Nodes and constants so far.
#[derive(Default)]
pub(crate) struct GraphBuilder {
    graph: Graph,
}

impl GraphBuilder {
    /// Declares an input, `[batch, shape..]`, and gives its name.
    pub(crate) fn input(&mut self, name: &str, kind: DataType, shape: &[usize]) -> String {
        self.graph.input.push(value(name, kind, shape));
        name.to_owned()
    }

    /// Declares an output of float32, `[batch, size]`, that is what `source` is.
    pub(crate) fn output(&mut self, name: &str, source: &str, size: usize) {
        self.node(name, "Identity", &[source], Vec::new());
        self.graph
            .output
            .push(value(name, DataType::Float, &[size]));
    }

    /// A constant of float32, and its name.
    pub(crate) fn floats(
        &mut self,
        name: &str,
        dims: &[usize],
        values: impl Iterator<Item = f32>,
    ) -> String {
        let bytes = values.flat_map(f32::to_le_bytes).collect();
        self.constant(name, DataType::Float, dims, bytes)
    }

    /// A constant vector of int64, and its name.
    pub(crate) fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        self.constant(name, DataType::Int64, &[values.len()], bytes)
    }

    fn constant(&mut self, name: &str, kind: DataType, dims: &[usize], bytes: Vec<u8>) -> String {
        let constants = &mut self.graph.initializer;
        if !constants
            .iter()
            .any(|constant| constant.name.as_deref() == Some(name))
        {
            constants.push(tensor(Some(name), kind, dims, bytes));
        }
        name.to_owned()
    }

    /// A node with one output; the output has the node's name.
    pub(crate) fn node(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<Attribute>,
    ) -> String {
        self.node_with(name, operator, inputs, attributes, &[name]);
        name.to_owned()
    }

    /// A node with several outputs.
    pub(crate) fn node_with(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&str],
        attributes: Vec<Attribute>,
        outputs: &[&str],
    ) {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        self.graph.node.push(Node {
            input: names(inputs),
            output: names(outputs),
            name: Some(name.to_owned()),
            op_type: Some(operator.to_owned()),
            attribute: attributes,
        });
    }

    /// The size of the constants' values.
    pub(crate) fn bytes(&self) -> usize {
        let constants = self.graph.initializer.iter();
        let values = constants.filter_map(|constant| constant.raw_data.as_ref());
        values.map(Vec::len).sum()
    }

    /// Moves the values of large constants into what is to be a file of this name beside the graph.
    pub(crate) fn externalise(&mut self, name: &str) -> Vec<u8> {
        let mut file = Vec::new();
        for constant in &mut self.graph.initializer {
            let is_large = |values: &mut Vec<u8>| values.len() >= LEAST_EXTERNAL;
            let Some(values) = constant.raw_data.take_if(is_large) else {
                continue;
            };
            file.resize(file.len().next_multiple_of(PAGE), 0);
            let entries = [
                ("location", name.to_owned()),
                ("offset", file.len().to_string()),
                ("length", values.len().to_string()),
            ];
            let entries = entries.map(|(key, value)| Property {
                key: Some(key.to_owned()),
                value: Some(value),
            });
            constant.external_data = entries.into();
            constant.data_location = Some(DataLocation::External.into());
            file.extend(values);
        }
        file
    }

    pub(crate) fn finish(mut self, name: &str) -> Graph {
        self.graph.name = Some(name.to_owned());
        self.graph
    }
}

pub(crate) fn integer(name: &str, value: i64) -> Attribute {
    Attribute {
        name: Some(name.to_owned()),
        i: Some(value),
        r#type: Some(AttributeType::Int.into()),
        ..Attribute::default()
    }
}

pub(crate) fn integers(name: &str, values: &[i64]) -> Attribute {
    Attribute {
        name: Some(name.to_owned()),
        ints: values.to_vec(),
        r#type: Some(AttributeType::Ints.into()),
        ..Attribute::default()
    }
}

/// A tensor of one value, 0.
pub(crate) fn zero(name: &str) -> Attribute {
    Attribute {
        name: Some(name.to_owned()),
        t: Some(tensor(
            None,
            DataType::Float,
            &[1],
            0.0_f32.to_le_bytes().into(),
        )),
        r#type: Some(AttributeType::Tensor.into()),
        ..Attribute::default()
    }
}

fn tensor(name: Option<&str>, kind: DataType, dims: &[usize], bytes: Vec<u8>) -> Tensor {
    Tensor {
        dims: dims.iter().map(|&size| size as i64).collect(),
        data_type: Some(kind.into()),
        name: name.map(str::to_owned),
        raw_data: Some(bytes),
        ..Tensor::default()
    }
}

fn value(name: &str, kind: DataType, shape: &[usize]) -> Value {
    let batch = Dimension {
        dim_param: Some(BATCH.into()),
        ..Dimension::default()
    };
    let sizes = shape.iter().map(|&size| Dimension {
        dim_value: Some(size as i64),
        ..Dimension::default()
    });
    Value {
        name: Some(name.to_owned()),
        r#type: Some(Type {
            tensor_type: Some(TensorType {
                elem_type: Some(kind.into()),
                shape: Some(Shape {
                    dim: std::iter::once(batch).chain(sizes).collect(),
                }),
            }),
        }),
    }
}
