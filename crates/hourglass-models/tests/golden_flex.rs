//! Losses, gradients, codes and reconstructions agree with PyTorch on the flex backend, with its fused kernels. In a
//! file of its own, since a process has one default precision.

mod support;

use burn::backend::Flex;

#[test]
fn losses_and_gradients() {
    support::losses_and_gradients_agree_with_pytorch::<Flex>();
}

#[test]
fn codes_and_reconstructions() {
    support::codes_and_reconstructions_agree_with_pytorch::<Flex>();
}
