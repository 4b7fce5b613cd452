"""One training step of every preset of config/paper.yaml, at its full size, on made-up images of the right shape."""

import math
from pathlib import Path

import pytest
import torch

from workflow_scripts.cells.genotype_training import train_genotype
from workflow_scripts.cells.search import run_search
from workflow_scripts.data.data_set import load_image_set
from workflow_scripts.data.image_batches import Part
from workflow_scripts.depth.networks import ConvolutionalNetwork
from workflow_scripts.depth.posterior import FixedPosterior, LearntPosterior
from workflow_scripts.depth.prior import geometric_log_prior
from workflow_scripts.depth.training import DepthModel
from workflow_scripts.runtime.progress import Silent
from workflow_scripts.study.cell_grids import searches
from workflow_scripts.study.cell_job_settings import evaluation_job, search_job
from workflow_scripts.study.cell_settings import Curvature
from workflow_scripts.study.open_study import load
from workflow_scripts.study.search_spaces import load_space, space_names
from workflow_scripts.tables.genotype import Genotype

ROOT = Path(__file__).parents[2]
PAPER = load([ROOT / "config" / "paper.yaml"], {}).cells
JOBS = {(key.space, key.data_set): search_job(PAPER, key) for key in searches(PAPER)}
DATA_SETS = sorted({data_set for _, data_set in JOBS})
DEPTH_DATA_SETS = ("mnist", "fashion_mnist", "svhn")
CPU = torch.device("cpu")
COMPILED = ("s2", "s4")  # compiling all shapes of the other spaces would take minutes


def made_up(images, count):
    """Images of noise in the shape a job expects."""
    draws = torch.Generator().manual_seed(0)
    shape = (count, images.channels, images.side, images.side)
    pixels = torch.randint(0, 256, shape, generator=draws, dtype=torch.uint8)
    return Part(pixels, torch.arange(count) % images.classes, images)


def genotype_of(space):
    """Each node takes the last candidate of its first two edges, which is never the space's skip or none."""
    cells = load_space(space)
    starts = (0, 2, 5, 9)
    return Genotype(*(tuple((cells[kind][start + e][-1], e) for start in starts for e in (0, 1)) for kind in cells))


@pytest.mark.parametrize("data_set", DATA_SETS)
@pytest.mark.parametrize("space", space_names())
def test_search(space, data_set):
    """The paper searches S1 to S4; S5, the original DARTS space, takes the same settings."""
    job = JOBS[(space if space != "s5" else "s1", data_set)]
    candidates = load_space(space)
    quick = {"epochs": 1, "steps_per_epoch": 1, "batch_size": 2, "curvature": Curvature(kind="none")}
    job = job.model_copy(
        update={
            "space": space,
            "normal": candidates["normal"],
            "reduce": candidates["reduce"],
            "weight_images": 2,
            "alpha_images": 2,
            "drop_path": 0.2,
            "layout": job.layout if space in COMPILED else "modules",
            "search": job.search.model_copy(update=quick),
        }
    )
    assert (job.search.init_channels, job.search.layers, job.search.order, job.images.side) == (16, 8, 2, 32)
    assert JOBS["s1", data_set].layout == "compiled"
    result = run_search(job, made_up(job.images, 4), Silent(), CPU)
    assert result.diverged_at is None
    assert math.isfinite(result.epochs[0].train_loss) and math.isfinite(result.epochs[0].valid_loss)
    assert all(alpha.abs().max() > 1e-4 for alpha in result.alphas[0])


@pytest.mark.parametrize("data_set", DATA_SETS)
@pytest.mark.parametrize("space", space_names())
def test_evaluation(space, data_set):
    job = evaluation_job(PAPER, data_set, 1)
    assert (job.training.init_channels, job.training.layers) == ((36, 20) if data_set == "cifar10" else (16, 8))
    training = job.training.model_copy(update={"epochs": 1, "batch_size": 2})
    job = job.model_copy(update={"training": training, "layout": job.layout if space in COMPILED else "modules"})
    images = made_up(job.images, 2)
    result = train_genotype(genotype_of(space), job, images, images, Silent(), CPU)
    assert result.diverged_at is None
    assert result.parameters_with_auxiliary > result.parameters


@pytest.mark.parametrize("model", ["ldn", "ddn"])
@pytest.mark.parametrize("data_set", DEPTH_DATA_SETS)
def test_depth(data_set, model):
    """The deepest network of the image experiments, D = 100."""
    entry, depth = load_image_set(data_set), 100
    torch.manual_seed(0)
    network = ConvolutionalNetwork(entry.channels, 64, 32, entry.classes, depth)
    posterior = LearntPosterior(geometric_log_prior(depth, 0.85), 1e-10) if model == "ldn" else FixedPosterior(depth)
    model = DepthModel(network, posterior)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    images = torch.rand(2, entry.channels, entry.side, entry.side)
    nll, divergence, _ = model.objective(images, torch.tensor([0, 1]))
    loss = nll + divergence / len(images)
    loss.backward()
    optimizer.step()
    assert math.isfinite(float(loss.detach()))
    changed = [not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)]
    assert sum(changed) > 0.9 * len(changed)
