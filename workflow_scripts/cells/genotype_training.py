"""Training a genotype from scratch; the test error at the last epoch is the result (RobustDARTS, section 3)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workflow_scripts.cells.genotype_network import AUXILIARY_SIDE, EvaluationNetwork
from workflow_scripts.cells.optimizers import weight_optimizer, weight_rate
from workflow_scripts.data.image_batches import Part, ShuffledBatches, ordered_batches
from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT, Checkpoint
from workflow_scripts.runtime.epochs import History, Parts, broken_step, diverged, resumed
from workflow_scripts.runtime.learning_rates import set_rate
from workflow_scripts.runtime.multiply_adds import count_multiply_adds
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.runtime.seeds import stream, stream_seed
from workflow_scripts.study.cell_job_settings import EvaluationJob
from workflow_scripts.tables.genotype import Genotype


@dataclass(frozen=True)
class EvaluationEpoch:
    """The measurements of one epoch; errors in percent."""

    epoch: int
    learning_rate: float
    train_loss: float
    train_error_percent: float
    test_loss: float
    test_error_percent: float


@dataclass
class EvaluationResult:
    """The trained network, its size and its history; `diverged_at` is (epoch, step), both from 0.

    `multiply_adds` is of the forward pass of one image, without the auxiliary head.
    """

    network: EvaluationNetwork
    parameters: int
    parameters_with_auxiliary: int
    multiply_adds: int
    epochs: History[EvaluationEpoch] = field(default_factory=lambda: History(EvaluationEpoch))
    diverged_at: tuple[int, int] | None = None


def train_genotype(
    genotype: Genotype,
    job: EvaluationJob,
    train: Part,
    test: Part,
    progress: Progress,
    device: torch.device,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> EvaluationResult:
    """Train `genotype` on all of `train`, test it after each epoch; the test set chooses nothing.

    After a kill the training goes on from the last epoch that `checkpoint` holds.
    """
    settings = job.training
    auxiliary = settings.auxiliary_weight > 0 and job.images.side == AUXILIARY_SIDE
    with torch.random.fork_rng():
        torch.manual_seed(stream_seed(job.seed, "weights"))
        network = EvaluationNetwork(
            genotype,
            settings.init_channels,
            settings.layers,
            job.images.classes,
            auxiliary,
            image_channels=job.images.channels,
            layout="modules" if settings.bfloat16 else job.layout,
        )
    network = network.to(device).to(memory_format=torch.channels_last)
    optimizer = weight_optimizer(network, settings, settings.l2)
    batches = ShuffledBatches(len(train), settings.batch_size, stream(job.seed, "batches"))
    transforms = stream(job.seed, "transforms")
    transform = transforms if settings.augment else None
    generator = stream(job.seed, "network", device)
    result = EvaluationResult(
        network,
        network.parameter_count(False),
        network.parameter_count(True),
        multiply_adds(network, (job.images.channels, job.images.side, job.images.side)),
    )
    parts: Parts = {
        "network": network,
        "optimizer": optimizer,
        "batches": batches,
        "transforms": transforms,
        "network draws": generator,
    }
    for epoch in resumed(result.epochs, settings.epochs, parts, checkpoint, progress):
        rate = weight_rate(settings, epoch)
        set_rate(optimizer, rate)
        network.train()
        losses, wrong = [], torch.zeros((), dtype=torch.long, device=device)
        for _ in range(math.ceil(len(train) / settings.batch_size)):
            images, labels = train.batch(next(batches), transform)
            with mixed_precision(settings.bfloat16, device):
                logits, auxiliary_logits = network(images, settings.drop_path * epoch / settings.epochs, generator)
            loss = F.cross_entropy(logits.float(), labels)
            losses.append(loss.detach())
            if auxiliary_logits is not None:
                loss = loss + settings.auxiliary_weight * F.cross_entropy(auxiliary_logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.weights, settings.grad_clip)
            optimizer.step()
            wrong += (logits.detach().argmax(1) != labels).sum()
        train_loss = torch.stack(losses).double().cpu()
        with mixed_precision(settings.bfloat16, device):
            test_loss, test_error = test_network(network, test, stream(job.seed, "test noise", device))
        diverged_step = broken_step(train_loss, sound=math.isfinite(test_loss))
        if diverged_step is not None:
            result.diverged_at = diverged(epoch, diverged_step, progress)
            break
        train_error = 100 * int(wrong) / len(train)
        result.epochs.append(EvaluationEpoch(epoch, rate, float(train_loss.mean()), train_error, test_loss, test_error))
        progress.advance(epoch + 1, settings.epochs, f"train error {train_error:.1f} %, held out {test_error:.1f} %")
    return result


def mixed_precision(enabled: bool, device: torch.device) -> torch.autocast:
    """Where enabled, passes inside compute in bfloat16 where that is safe; the weights stay in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


@torch.no_grad()
def multiply_adds(network: EvaluationNetwork, shape: tuple[int, int, int]) -> int:
    """Multiplications with additions of convolutions and linear layers for one image of `shape`, evaluation mode."""
    was_training, layout = network.training, network.layout
    network.eval()
    network.layout = "modules"  # the counter sees torch's operations alone, and nothing of compiled loops
    device = next(network.parameters()).device
    images, generator = torch.zeros(1, *shape, device=device), torch.Generator(device=device)
    count = count_multiply_adds(lambda: network(images, 0.0, generator))
    network.train(was_training)
    network.layout = layout
    return count


@torch.no_grad()
def test_network(network: EvaluationNetwork, part: Part, generator: torch.Generator) -> tuple[float, float]:
    """Mean loss and error in percent over all images, evaluation mode; noise operations draw from `generator`."""
    device = part.images.device
    loss, wrong = torch.zeros((), device=device), torch.zeros((), dtype=torch.long, device=device)
    for logits, labels in _test_batches(network, part, generator):
        loss += F.cross_entropy(logits.float(), labels, reduction="sum")
        wrong += (logits.argmax(1) != labels).sum()
    return float(loss) / len(part), 100 * int(wrong) / len(part)


@torch.no_grad()
def test_logits(network: EvaluationNetwork, part: Part, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Logits (N, classes) float32 and labels (N,) of all images, on the CPU, from the passes of `test_network`."""
    batches = [(logits.float().cpu(), labels.cpu()) for logits, labels in _test_batches(network, part, generator)]
    logits, labels = zip(*batches, strict=True)
    return torch.cat(logits), torch.cat(labels)


def _test_batches(
    network: EvaluationNetwork, part: Part, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits and labels of each batch in turn, evaluation mode."""
    network.eval()
    for index in ordered_batches(len(part), 250):
        images, labels = part.batch(index)
        yield network(images, 0.0, generator)[0], labels
