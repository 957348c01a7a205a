//! A model as PyTorch code, which loads its weights.

use std::fmt::Write;

use burn::tensor::backend::Backend;
use hourglass_models::{Activation, Autoencoder, Layer, Likelihood, Model, Selection};

/// Python that builds the model, loads `model.safetensors` and encodes and decodes `images`, `[batch, features]` in [0, 1].
/// The code has `units` numbers.
pub(super) fn code<B: Backend>(model: &Model<B>, units: usize) -> String {
    let network = model.network();
    let mut text = String::from(
        "import torch\nfrom safetensors.torch import load_file\nfrom torch.nn import *\n\n",
    );
    for (name, layers) in [("encoder", &network.encoder), ("decoder", &network.decoder)] {
        let modules: Vec<String> = (0..layers.len())
            .map(|position| module(&network.encoder, layers, position))
            .collect();
        let _ = writeln!(text, "{name} = Sequential({})", modules.join(", "));
    }
    text += "weights = {name: weight.float() for name, weight in load_file(\"model.safetensors\").items()}\n";
    for (position, layer) in network.decoder.iter().enumerate() {
        if let Layer::Tied(tied) = layer {
            let source = tied.source;
            let _ = writeln!(
                text,
                "weights[\"decoder.{position}.weight\"] = weights[\"encoder.{source}.weight\"].T  # tied"
            );
        }
    }
    text += "ModuleDict({\"encoder\": encoder, \"decoder\": decoder}).load_state_dict(weights, strict=True)\n\n";
    text += match model.selection() {
        Selection::All => "codes = encoder(images)\n".to_owned(),
        Selection::First(count) => format!(
            "codes = encoder(images)[:, :{count}]  # the means; then come the log-variances\n"
        ),
        Selection::Largest(count) => format!(
            "values, units = encoder(images).topk({count}, dim=1)\n\
             codes = torch.zeros(len(images), {units}).scatter(1, units, values)\n"
        ),
    }
    .as_str();
    text += match model.likelihood() {
        Likelihood::Bernoulli => "reconstructions = decoder(codes).sigmoid()\n",
        _ => "reconstructions = decoder(codes)\n",
    };
    text
}

/// The torch module of a layer of a stack.
fn module<B: Backend>(encoder: &[Layer<B>], layers: &[Layer<B>], position: usize) -> String {
    match &layers[position] {
        Layer::Linear(linear) => {
            let [inputs, outputs] = linear.weight.dims();
            format!("Linear({inputs}, {outputs})")
        }
        Layer::Tied(tied) => match &encoder[tied.source] {
            Layer::Linear(linear) => {
                let [inputs, outputs] = linear.weight.dims();
                format!("Linear({outputs}, {inputs})")
            }
            other => unreachable!("a linear layer was expected, not {other:?}"),
        },
        Layer::Conv(convolution) => {
            let [outputs, inputs, ..] = convolution.weight.dims();
            format!("Conv2d({inputs}, {outputs}, 4, stride=2, padding=1)")
        }
        Layer::ConvTranspose(convolution) => {
            let [inputs, outputs, ..] = convolution.weight.dims();
            format!("ConvTranspose2d({inputs}, {outputs}, 4, stride=2, padding=1)")
        }
        Layer::Activation(elementwise) => activation(elementwise.activation).to_owned(),
        Layer::Reshape(_) => match layers.get(position + 1) {
            Some(Layer::Conv(next) | Layer::ConvTranspose(next)) => unflatten(next.input),
            _ => "Flatten(1)".to_owned(),
        },
    }
}

fn unflatten([channels, height, width]: [usize; 3]) -> String {
    format!("Unflatten(1, ({channels}, {height}, {width}))")
}

fn activation(activation: Activation) -> &'static str {
    match activation {
        Activation::Relu => "ReLU()",
        Activation::Gelu => "GELU()",
        Activation::Elu => "ELU()",
        Activation::Tanh => "Tanh()",
        Activation::Sigmoid => "Sigmoid()",
        Activation::Linear => "Identity()",
    }
}
