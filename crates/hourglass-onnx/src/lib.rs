//! Hourglass models as ONNX graphs, for onnxruntime and other programs.
//!
//! The graphs use opset 17 and IR version 8. The weights are float32, under their names in PyTorch (`encoder.0.weight`). They
//! are in the file itself or in one beside it; weights of more than 2 GiB always are beside it, since a protobuf message holds
//! no more. The batch is a dimension of any size. The inputs and outputs are:
//!
//! | part | input | output |
//! |---|---|---|
//! | encoder | `images` | `codes` `[batch, code]`; for a stochastic encoder their means |
//! | decoder | `codes` | `reconstructions` `[batch, features]` |
//! | reconstruction | `images` | `codes` and `reconstructions` |
//!
//! `images` are float32 `[batch, features]` in `[0, 1]`, or bytes. `reconstructions` are the means of p(x|h), or the decoder's
//! own outputs. [`Options`] chooses.

mod graph;
mod proto;

use burn::tensor::backend::Backend;
use hourglass_models::{
    Activation, Autoencoder, Layer, Likelihood, Model, Selection, Shape, StateDict, StateDictError,
    state_dict,
};
use prost::Message;

use graph::{GraphBuilder, integer, integers, zero};
use proto::{DataType, OperatorSet, Property};

/// The version of ONNX's operators that is used.
pub const OPSET: i64 = 17;
/// The version of the file format that belongs to it.
const IR_VERSION: i64 = 8;
/// Of constants in the graph: messages of protobuf have at most `i32::MAX` bytes, of which the rest takes few.
const MOST_BYTES: usize = i32::MAX as usize - (1 << 20);

/// What part of a model a graph computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// From images to codes.
    Encoder,
    /// From codes to reconstructions.
    Decoder,
    /// From images to codes and reconstructions.
    Reconstruction,
}

/// What a graph computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The part of the model.
    pub part: Part,
    /// Whether `images` are bytes, `[batch, channels, height, width]` from 0 to 255, as they are in files.
    pub bytes: bool,
    /// Whether `reconstructions` are the parameters of p(x|h), logits for Bernoulli, in place of its mean.
    pub logits: bool,
    /// Whether the weights are put into a file beside the graph where they would fit into it.
    pub external: bool,
}

/// An ONNX model's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnnxFiles {
    /// The graph, with the weights unless they are external.
    pub graph: Vec<u8>,
    /// The weights that the graph refers to by the name given for this file.
    pub external: Option<Vec<u8>>,
}

/// The files of a model with so many units of code and such images. The one with the weights, if any, is to be `external`,
/// in the graph's directory; `metadata` is written into the graph by name.
///
/// # Errors
/// When the weights can't be read.
pub fn to_onnx<B: Backend>(
    model: &Model<B>,
    code: usize,
    shape: Shape,
    options: Options,
    external: &str,
    metadata: &[(&str, &str)],
) -> Result<OnnxFiles, StateDictError> {
    let mut exporter = Exporter {
        model,
        shape,
        options,
        code,
        weights: state_dict(model)?,
        graph: GraphBuilder::default(),
    };
    let name = match options.part {
        Part::Encoder => "encoder",
        Part::Decoder => "decoder",
        Part::Reconstruction => "reconstruction",
    };
    let codes = match options.part {
        Part::Decoder => exporter
            .graph
            .input("codes", DataType::Float, &[exporter.code]),
        Part::Encoder | Part::Reconstruction => exporter.encode(),
    };
    if options.part != Part::Encoder {
        exporter.decode(codes);
    }
    let mut graph = exporter.graph;
    let data =
        (options.external || graph.bytes() > MOST_BYTES).then(|| graph.externalise(external));
    let properties = metadata.iter().map(|(key, value)| Property {
        key: Some((*key).to_owned()),
        value: Some((*value).to_owned()),
    });
    let file = proto::Model {
        ir_version: Some(IR_VERSION),
        producer_name: Some("hourglass".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(graph.finish(name)),
        opset_import: vec![OperatorSet {
            domain: Some(String::new()),
            version: Some(OPSET),
        }],
        metadata_props: properties.collect(),
    };
    Ok(OnnxFiles {
        graph: file.encode_to_vec(),
        external: data,
    })
}

struct Exporter<'a, B: Backend> {
    model: &'a Model<B>,
    shape: Shape,
    options: Options,
    code: usize,
    weights: StateDict,
    graph: GraphBuilder,
}

impl<B: Backend> Exporter<'_, B> {
    fn features(&self) -> usize {
        self.shape.features()
    }

    /// From `images` to `codes`.
    fn encode(&mut self) -> String {
        let images = self.images();
        let outputs = self.stack("encoder", &self.model.network().encoder, images);
        let graph = &mut self.graph;
        let codes = match self.model.selection() {
            Selection::All => outputs,
            Selection::First(count) => {
                let ends = [("starts", 0), ("ends", count as i64), ("axes", 1)];
                let [starts, ends, axes] = ends
                    .map(|(name, value)| graph.integers(&format!("selection.{name}"), &[value]));
                graph.node(
                    "selection",
                    "Slice",
                    &[&outputs, &starts, &ends, &axes],
                    Vec::new(),
                )
            }
            Selection::Largest(count) => largest(graph, &outputs, count.min(self.code)),
        };
        graph.output("codes", &codes, self.code);
        codes
    }

    /// The images as the encoder takes them.
    fn images(&mut self) -> String {
        let features = self.features();
        if !self.options.bytes {
            return self.graph.input("images", DataType::Float, &[features]);
        }
        let images = self
            .graph
            .input("images", DataType::Uint8, &self.shape.to_array());
        let graph = &mut self.graph;
        let kind = integer("to", DataType::Float as i64);
        let floats = graph.node("images.floats", "Cast", &[&images], vec![kind]);
        let largest = graph.floats("images.largest", &[1], [255.0].into_iter());
        let scaled = graph.node("images.scaled", "Div", &[&floats, &largest], Vec::new());
        graph.node(
            "images.flat",
            "Flatten",
            &[&scaled],
            vec![integer("axis", 1)],
        )
    }

    /// From codes to `reconstructions`.
    fn decode(&mut self, codes: String) {
        let outputs = self.stack("decoder", &self.model.network().decoder, codes);
        let is_plain = self.options.logits || self.model.likelihood() != Likelihood::Bernoulli;
        let reconstructions = match is_plain {
            true => outputs,
            false => self.graph.node("mean", "Sigmoid", &[&outputs], Vec::new()),
        };
        self.graph
            .output("reconstructions", &reconstructions, self.features());
    }

    /// The layers of a stack one after another; weights are named by the place of their layer.
    fn stack(&mut self, name: &str, layers: &[Layer<B>], input: String) -> String {
        let layers = layers.iter().enumerate();
        layers.fold(input, |x, (place, layer)| {
            self.layer(&format!("{name}.{place}"), layer, x)
        })
    }

    fn layer(&mut self, name: &str, layer: &Layer<B>, x: String) -> String {
        match layer {
            Layer::Linear(_) => {
                let weight = self.weight(&format!("{name}.weight"));
                self.gemm(name, &x, &weight, true)
            }
            // The encoder's weight is the decoder's, transposed.
            Layer::Tied(tied) => {
                let weight = self.weight(&format!("encoder.{}.weight", tied.source));
                self.gemm(name, &x, &weight, false)
            }
            Layer::Conv(convolution) => self.convolve(name, "Conv", &x, convolution.input),
            Layer::ConvTranspose(convolution) => {
                self.convolve(name, "ConvTranspose", &x, convolution.input)
            }
            Layer::Activation(elementwise) => {
                activation(&mut self.graph, name, elementwise.activation, x)
            }
            Layer::Reshape(_) => x,
        }
    }

    /// Puts a weight of the model into the graph.
    fn weight(&mut self, name: &str) -> String {
        let found = self.weights.iter().find(|(other, _)| other == name);
        let Some((_, data)) = found else {
            unreachable!("every layer's weights are in the state dict, {name} is not")
        };
        self.graph.floats(name, &data.shape, data.iter::<f32>())
    }

    fn gemm(&mut self, name: &str, x: &str, weight: &str, is_transposed: bool) -> String {
        let bias = self.weight(&format!("{name}.bias"));
        let attributes = vec![integer("transB", is_transposed.into())];
        self.graph
            .node(name, "Gemm", &[x, weight, &bias], attributes)
    }

    /// A 4 x 4 convolution with stride 2 and padding 1, on values that are flat before and after.
    fn convolve(
        &mut self,
        name: &str,
        operator: &str,
        x: &str,
        [channels, height, width]: [usize; 3],
    ) -> String {
        let weight = self.weight(&format!("{name}.weight"));
        let bias = self.weight(&format!("{name}.bias"));
        let graph = &mut self.graph;
        let shape = [channels, height, width].map(|size| size as i64);
        let shape = graph.integers(&format!("{name}.shape"), &[&[-1], &shape[..]].concat());
        let maps = graph.node(&format!("{name}.maps"), "Reshape", &[x, &shape], Vec::new());
        let attributes = vec![
            integers("kernel_shape", &[4, 4]),
            integers("strides", &[2, 2]),
            integers("pads", &[1, 1, 1, 1]),
        ];
        let outputs = graph.node(name, operator, &[&maps, &weight, &bias], attributes);
        graph.node(
            &format!("{name}.flat"),
            "Flatten",
            &[&outputs],
            vec![integer("axis", 1)],
        )
    }
}

fn activation(graph: &mut GraphBuilder, name: &str, activation: Activation, x: String) -> String {
    let operator = match activation {
        Activation::Relu => "Relu",
        Activation::Elu => "Elu",
        Activation::Tanh => "Tanh",
        Activation::Sigmoid => "Sigmoid",
        Activation::Linear => return x,
        Activation::Gelu => return gelu(graph, name, &x),
    };
    graph.node(name, operator, &[&x], Vec::new())
}

/// x (1 + erf(x / sqrt 2)) / 2: as an operator of its own it is not in this opset.
fn gelu(graph: &mut GraphBuilder, name: &str, x: &str) -> String {
    let constants = [
        ("gelu.root", 2_f32.sqrt()),
        ("gelu.one", 1.0),
        ("gelu.half", 0.5),
    ];
    let [root, one, half] =
        constants.map(|(name, value)| graph.floats(name, &[1], [value].into_iter()));
    let part = |part: &str| format!("{name}.{part}");
    let scaled = graph.node(&part("scaled"), "Div", &[x, &root], Vec::new());
    let erf = graph.node(&part("erf"), "Erf", &[&scaled], Vec::new());
    let shifted = graph.node(&part("shifted"), "Add", &[&erf, &one], Vec::new());
    let halved = graph.node(&part("halved"), "Mul", &[&shifted, &half], Vec::new());
    graph.node(name, "Mul", &[x, &halved], Vec::new())
}

/// The `count` largest values of each row in their places, and 0 elsewhere; of equal values the first, as ONNX has it too.
fn largest(graph: &mut GraphBuilder, values: &str, count: usize) -> String {
    let count = graph.integers("selection.count", &[count as i64]);
    let (kept, places) = ("selection.kept", "selection.places");
    graph.node_with(
        "selection.largest",
        "TopK",
        &[values, &count],
        vec![integer("axis", 1)],
        &[kept, places],
    );
    let shape = graph.node("selection.shape", "Shape", &[values], Vec::new());
    let zeros = graph.node(
        "selection.zeros",
        "ConstantOfShape",
        &[&shape],
        vec![zero("value")],
    );
    let axis = vec![integer("axis", 1)];
    graph.node(
        "selection",
        "ScatterElements",
        &[&zeros, places, kept],
        axis,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use burn::backend::NdArray;
    use hourglass_models::ModelConfig;

    use super::*;

    const SHAPE: Shape = Shape::new(1, 8, 8);
    const CODE: usize = 6;

    /// Of every kind of layer and selection.
    const MODELS: [&str; 4] = [
        r#"{"family": "undercomplete", "network": {"kind": "mlp", "hidden": [9, 7], "code": 6, "activation": "gelu"}}"#,
        r#"{"family": "sparse", "network": {"kind": "mlp", "hidden": [], "code": 6, "tied": true},
            "objective": {"penalty": "top-k", "k": 2, "likelihood": "bernoulli"}}"#,
        r#"{"family": "variational", "network": {"kind": "conv", "channels": [3, 4], "code": 6, "activation": "elu"}}"#,
        r#"{"family": "denoising", "network": {"kind": "mlp", "hidden": [9], "code": 6, "code_activation": "sigmoid",
            "activation": "tanh"}}"#,
    ];

    fn files(config: &str, part: Part, bytes: bool, external: bool) -> OnnxFiles {
        let config: ModelConfig = serde_json::from_str(config).expect("a config");
        let model = config.init::<NdArray>(SHAPE, 0, &Default::default());
        let options = Options {
            part,
            bytes,
            logits: false,
            external,
        };
        let model = model.expect("a valid config");
        let metadata = [("key", "value")];
        to_onnx(&model, CODE, SHAPE, options, "weights.data", &metadata).expect("a graph")
    }

    fn file(config: &str, part: Part, bytes: bool) -> proto::Model {
        let files = files(config, part, bytes, false);
        assert_eq!(files.external, None);
        proto::Model::decode(&*files.graph).expect("a file")
    }

    /// Every value is made once, before it is used; every constant is used.
    #[test]
    fn graphs_are_well_formed() {
        for (config, part, bytes) in MODELS.into_iter().flat_map(|config| {
            [
                (config, Part::Encoder, false),
                (config, Part::Decoder, false),
                (config, Part::Reconstruction, true),
            ]
        }) {
            let graph = file(config, part, bytes).graph.expect("a graph");
            let mut made = BTreeSet::new();
            let mut make = |name: &Option<String>| {
                let name = name.clone().expect("a name");
                assert!(made.insert(name.clone()), "{config} {part:?}: {name} twice");
            };
            graph.input.iter().for_each(|input| make(&input.name));
            graph
                .initializer
                .iter()
                .for_each(|constant| make(&constant.name));
            let mut used = BTreeSet::new();
            for node in &graph.node {
                for input in &node.input {
                    assert!(
                        made.contains(input),
                        "{config} {part:?}: {input} before it is made"
                    );
                    used.insert(input);
                }
                for output in &node.output {
                    assert!(
                        made.insert(output.clone()),
                        "{config} {part:?}: {output} twice"
                    );
                }
            }
            for constant in &graph.initializer {
                assert!(
                    used.contains(constant.name.as_ref().expect("a name")),
                    "{constant:?}"
                );
                let values: i64 = constant.dims.iter().product();
                let size = if constant.data_type == Some(DataType::Int64.into()) {
                    8
                } else {
                    4
                };
                let bytes = constant.raw_data.as_ref().map(Vec::len);
                assert_eq!(bytes, Some(values as usize * size));
            }
            for output in &graph.output {
                assert!(made.contains(output.name.as_ref().expect("a name")));
            }
        }
    }

    #[test]
    fn a_part_has_its_inputs_and_outputs_and_its_weights() {
        let expected: [(_, &[&str], &[&str]); 3] = [
            (Part::Encoder, &["images"], &["codes"]),
            (Part::Decoder, &["codes"], &["reconstructions"]),
            (
                Part::Reconstruction,
                &["images"],
                &["codes", "reconstructions"],
            ),
        ];
        for (part, inputs, outputs) in expected {
            let file = file(MODELS[0], part, false);
            assert_eq!(file.metadata_props[0].value.as_deref(), Some("value"));
            let graph = file.graph.expect("a graph");
            let names = |values: &[proto::Value]| -> Vec<String> {
                values
                    .iter()
                    .filter_map(|value| value.name.clone())
                    .collect()
            };
            assert_eq!(names(&graph.input), inputs);
            assert_eq!(names(&graph.output), outputs);
            let has = |name: &str| {
                let names = graph
                    .initializer
                    .iter()
                    .map(|constant| constant.name.as_deref());
                names.into_iter().any(|other| other == Some(name))
            };
            assert_eq!(has("encoder.0.weight"), part != Part::Decoder);
            assert_eq!(has("decoder.0.weight"), part != Part::Encoder);
        }
    }

    #[test]
    fn external_weights_are_those_of_the_graph_that_has_them() {
        let config =
            r#"{"family": "undercomplete", "network": {"kind": "mlp", "hidden": [90], "code": 6}}"#;
        let inside = file(config, Part::Reconstruction, false).graph;
        let inside = inside.expect("a graph").initializer;
        let files = files(config, Part::Reconstruction, false, true);
        let weights = files.external.expect("weights");
        let outside = proto::Model::decode(&*files.graph).expect("a file").graph;
        let outside = outside.expect("a graph").initializer;
        let mut large = 0;
        for (inside, outside) in inside.iter().zip(&outside) {
            let expected = inside.raw_data.as_deref().expect("values");
            if expected.len() < 1024 {
                assert_eq!(inside, outside);
                continue;
            }
            large += 1;
            assert_eq!(outside.raw_data, None);
            assert_eq!(outside.data_location, Some(1));
            let entry = |key: &str| {
                let mut entries = outside.external_data.iter();
                let entry = entries.find(|entry| entry.key.as_deref() == Some(key));
                entry.and_then(|entry| entry.value.clone()).expect(key)
            };
            assert_eq!(entry("location"), "weights.data");
            let [offset, length] = ["offset", "length"].map(|key| entry(key).parse().expect(key));
            assert_eq!(offset % 4096, 0_usize);
            let found: &[u8] = &weights[offset..][..length];
            assert!(found == expected);
        }
        // Both layers of 64 x 90; those of 90 x 6 have 2160 bytes.
        assert_eq!((inside.len(), large), (8, 4));
    }
}
