"""The variational autoencoder of PyTorch's examples, written anew: 784-400-20, Adam, batches of 128 from a DataLoader.

    python scripts/bench/vae_example.py FOLDER --epochs 10 --out weights.pt

FOLDER has MNIST/raw with the four IDX files, as torchvision keeps them.
"""

import argparse
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 400)
        self.fc21 = nn.Linear(400, 20)
        self.fc22 = nn.Linear(400, 20)
        self.fc3 = nn.Linear(20, 400)
        self.fc4 = nn.Linear(400, 784)

    def forward(self, images):
        hidden = F.relu(self.fc1(images.view(-1, 784)))
        mean, log_variance = self.fc21(hidden), self.fc22(hidden)
        std = torch.exp(0.5 * log_variance)
        code = mean + std * torch.randn_like(std)
        return torch.sigmoid(self.fc4(F.relu(self.fc3(code)))), mean, log_variance


def loss_of(reconstructions, images, mean, log_variance):
    cross_entropy = F.binary_cross_entropy(reconstructions, images.view(-1, 784), reduction="sum")
    return cross_entropy - 0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    loaders = [
        DataLoader(datasets.MNIST(arguments.folder, train=train, transform=transforms.ToTensor()), batch_size=128, shuffle=train)
        for train in (True, False)
    ]
    model = VAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(arguments.epochs):
        model.train()
        total = 0.0
        for images, _ in loaders[0]:
            optimizer.zero_grad()
            reconstructions, mean, log_variance = model(images)
            loss = loss_of(reconstructions, images, mean, log_variance)
            loss.backward()
            total += loss.item()
            optimizer.step()
        model.eval()
        test = 0.0
        with torch.no_grad():
            for images, _ in loaders[1]:
                reconstructions, mean, log_variance = model(images)
                test += loss_of(reconstructions, images, mean, log_variance).item()
        print(f"epoch {epoch + 1}: train {total / len(loaders[0].dataset):.3f}, test {test / len(loaders[1].dataset):.3f}", flush=True)
    torch.save(model.state_dict(), arguments.out)


if __name__ == "__main__":
    main()
