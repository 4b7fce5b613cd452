"""One DARTS search: alternate alpha and weight steps, follow the curvature, keep the history.

RobustDARTS, section 2.1 and the public code. Divergence is an outcome: the search ends and records where. DARTS-ADA
(section 5.2) is the same search, which goes back to the stop epoch and on with a larger L2 when the stop rule fires.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from workflow_scripts.cells.adaptive_regularisation import Adaptation
from workflow_scripts.cells.bilevel_step import (
    Batch,
    Randomness,
    WeightRule,
    alpha_step,
    weight_step,
)
from workflow_scripts.cells.curvature import dominant_eigenvalue, full_hessian, hessian_product, largest_eigenvalue
from workflow_scripts.cells.early_stopping import latest_stop
from workflow_scripts.cells.edge_mixing import mixing_of
from workflow_scripts.cells.optimizers import alpha_optimizer, l2_of, weight_optimizer, weight_rate
from workflow_scripts.cells.search_result import CurvatureRecord, EpochRecord, SearchResult
from workflow_scripts.cells.split import split
from workflow_scripts.cells.supernet import Alphas, supernet_of
from workflow_scripts.data.image_batches import Part, ShuffledBatches, ordered_batches
from workflow_scripts.runtime.checkpoint import NO_CHECKPOINT, Checkpoint
from workflow_scripts.runtime.epochs import Parts, Tensors, broken_step, diverged, resumed
from workflow_scripts.runtime.learning_rates import set_rate
from workflow_scripts.runtime.progress import Progress
from workflow_scripts.runtime.seeds import stream
from workflow_scripts.study.cell_job_settings import SearchJob
from workflow_scripts.study.cell_settings import StopRule


def run_search(
    job: SearchJob, train: Part, progress: Progress, device: torch.device, checkpoint: Checkpoint = NO_CHECKPOINT
) -> SearchResult:
    """Search on the training images, which `split` divides into those for the weights and those for the alphas.

    After a kill the search goes on from the last epoch that `checkpoint` holds.
    """
    return _Search(job, train, device).run(progress, checkpoint)


class _Search:
    """The state of a search in progress."""

    def __init__(self, job: SearchJob, train: Part, device: torch.device) -> None:
        self.job, self.device = job, device
        self.published = job.fidelity == "published"
        self.weight_part, self.alpha_part = split(train, job)
        self.network = supernet_of(job, device)
        self.network.strengths = mixing_of(job, self.network.candidates, 1.0)  # what is left at the end
        self.alphas = self.network.initial_alphas(stream(job.seed, "alphas"))
        self.weight_optimizer = weight_optimizer(self.network, job.search, job.l2)
        self.alpha_optimizer = alpha_optimizer(self.alphas, job.search)
        batch_size = min(job.search.batch_size, job.weight_images)
        self.weight_batches = ShuffledBatches(job.weight_images, batch_size, stream(job.seed, "weight batches"))
        self.alpha_generator = stream(job.seed, "alpha batches")
        self.transform_generator = stream(job.seed, "transforms")
        self.network_generator = stream(job.seed, "network", device)
        self.curvature_generator = stream(job.seed, "curvature network", device)
        self.lanczos_generator = stream(job.seed, "lanczos")
        self.alpha_batch: Batch | None = None  # the last one
        self.result = SearchResult()
        self.adaptation: Adaptation | None = None
        if job.adaptive is not None and job.stop is not None:
            self.adaptation = Adaptation(job.adaptive, job.stop, self.parts(), self.weight_optimizer, self.published)

    def parts(self) -> Parts:
        """All that an epoch depends on."""
        return {
            "network": self.network,
            "alphas": Tensors(self.alphas),
            "weight optimizer": self.weight_optimizer,
            "alpha optimizer": self.alpha_optimizer,
            "weight batches": self.weight_batches,
            "alpha batches": self.alpha_generator,
            "transforms": self.transform_generator,
            "network draws": self.network_generator,
            "curvature draws": self.curvature_generator,
            "lanczos": self.lanczos_generator,
        }

    def run(self, progress: Progress, checkpoint: Checkpoint = NO_CHECKPOINT) -> SearchResult:
        """Search to the end, from the beginning or from a checkpoint."""
        job, result, epochs = self.job, self.result, self.job.search.epochs
        parts = {**self.parts(), "result": result}
        if self.adaptation is not None:
            parts["adaptation"] = self.adaptation
        for epoch in resumed(result.epochs, epochs, parts, checkpoint, progress):
            record, diverged_step = self._epoch(epoch)
            if diverged_step is not None:
                result.diverged_at = diverged(epoch, diverged_step, progress)
                break
            result.epochs.append(record)
            result.alphas.append(Alphas(*(alpha.detach().cpu().clone() for alpha in self.alphas)))
            note = f"train loss {record.train_loss:.3f}, validation error {record.valid_error_percent:.1f} %"
            if self._measures(epoch):
                result.curvature.append(self._curvature(epoch))
                note += f", eigenvalue {result.curvature[-1].dominant_eigenvalue:.3f}"
            progress.advance(epoch + 1, epochs, note)
            if job.stop is not None and self._measures(epoch) and epoch < epochs - 1:
                self._apply_stop_rule(job.stop, epoch, progress)
            if result.stopped_at is not None:
                break
        else:
            result.discretised_valid_error_percent = self._discretised_error()
            if job.keeps_weights:
                result.weights = {name: value.detach().cpu() for name, value in self.network.state_dict().items()}
        result.final_l2 = l2_of(self.weight_optimizer)
        return result

    def _apply_stop_rule(self, rule: StopRule, epoch: int, progress: Progress) -> None:
        """Where the stop rule fires after this epoch, end the search, or with DARTS-ADA go back."""
        result = self.result
        if self.adaptation is None:
            values = [record.dominant_eigenvalue for record in result.curvature]
            stop = latest_stop([record.epoch for record in result.curvature], values, rule)
            if stop is not None:
                progress.say(f"the stop rule fired: the epoch it takes is {stop}")
                result.stopped_at = epoch
            return
        rollback = self.adaptation.after(epoch, result.curvature[-1].dominant_eigenvalue)
        if rollback is not None:
            result.go_back(rollback)
            back = f"back to epoch {rollback.back_to}, L2 {rollback.l2_after:g} from here on"
            progress.say(f"the stop rule fired: {back}")

    # one epoch -----------------------------------------------------------------------------------------------------

    def _epoch(self, epoch: int) -> tuple[EpochRecord, int | None]:
        """One pass of alternate steps; returns its record, and the step at which it diverged."""
        job, search = self.job, self.job.search
        rate, l2 = weight_rate(search, epoch), l2_of(self.weight_optimizer)
        set_rate(self.weight_optimizer, rate)
        # DARTS-ADA as published unrolls with the L2 factor it started with
        rule = WeightRule(rate, search.momentum, job.l2 if self.published else l2)
        randomness, cutout = self._randomness(epoch, self.network_generator), self._ramp(epoch)
        self.network.mixing = mixing_of(job, self.network.candidates, epoch / max(1, search.epochs - 1))
        self.network.train()
        losses, wrong, seen = [], torch.zeros((), dtype=torch.long, device=self.device), 0
        for _ in range(search.steps_per_epoch or math.ceil(job.weight_images / search.batch_size)):
            train = self.weight_part.batch(next(self.weight_batches), self._transform(), cutout)
            self.alpha_batch = self._draw_alpha_batch(cutout)
            optimizers = self.weight_optimizer, self.alpha_optimizer
            alpha_step(
                *(self.network, self.alphas, train, self.alpha_batch, rule, optimizers, randomness),
                *(search.order, self.published),
            )
            step = weight_step(self.network, self.alphas, train, self.weight_optimizer, search.grad_clip, randomness)
            losses.append(step.loss)
            wrong += step.wrong
            seen += len(train[1])
        loss = torch.stack(losses).double().cpu()
        valid_loss, valid_error = self._validate(cutout)
        record = EpochRecord(
            epoch=epoch,
            learning_rate=rate,
            l2=l2,
            train_loss=float(loss.mean()),
            train_error_percent=100 * int(wrong) / seen,
            valid_loss=valid_loss,
            valid_error_percent=valid_error,
            genotype=self.network.genotype(self.alphas).text(),
        )
        return record, broken_step(loss, sound=math.isfinite(valid_loss))

    def _draw_alpha_batch(self, cutout: float) -> Batch:
        """A fresh random subset of the alpha images."""
        order = torch.randperm(len(self.alpha_part), generator=self.alpha_generator)
        return self.alpha_part.batch(order[: self.job.search.batch_size], self._transform(), cutout)

    @torch.no_grad()
    def _validate(self, cutout: float) -> tuple[float, float]:
        """Mean loss and error in percent on all alpha images, evaluation mode, training transform as published."""
        self.network.eval()
        loss, wrong = torch.zeros((), device=self.device), torch.zeros((), dtype=torch.long, device=self.device)
        for index in self._validation_batches():
            images, labels = self.alpha_part.batch(index, self._transform(), cutout)
            logits = self.network(images, self.alphas, 0.0, self.network_generator)
            loss += F.cross_entropy(logits, labels, reduction="sum")
            wrong += (logits.argmax(1) != labels).sum()
        self.network.train()
        return float(loss) / len(self.alpha_part), 100 * int(wrong) / len(self.alpha_part)

    @torch.no_grad()
    def _discretised_error(self) -> float:
        """Error in percent of the found architecture cut out of the supernet, with its weights, on the alpha images.

        As `_validate`, with streams of its own; what is lost against it is the drop of RobustDARTS, section 4.2.
        """
        transform = stream(self.job.seed, "discretised transforms") if self.job.search.augment else None
        generator = stream(self.job.seed, "discretised network", self.device)
        architecture = self.network.architecture_of(self.network.genotype(self.alphas))
        cutout, wrong = self._ramp(self.job.search.epochs - 1), 0
        self.network.eval()
        for index in self._validation_batches():
            images, labels = self.alpha_part.batch(index, transform, cutout)
            wrong += int((self.network.chosen(images, architecture, generator).argmax(1) != labels).sum())
        self.network.train()
        return 100 * wrong / len(self.alpha_part)

    def _validation_batches(self) -> Iterator[Tensor]:
        return ordered_batches(len(self.alpha_part), max(self.job.search.batch_size, 250))

    def _measures(self, epoch: int) -> bool:
        curvature = self.job.search.curvature
        return curvature.kind != "none" and (epoch % curvature.every == 0 or epoch == self.job.search.epochs - 1)

    def _curvature(self, epoch: int) -> CurvatureRecord:
        settings, decay = self.job.search.curvature, self.job.search.arch_weight_decay
        batch = self.alpha_batch
        if settings.images is not None:
            batch = self.alpha_part.batch(torch.arange(settings.images))
        assert batch is not None, "an epoch has at least one step"
        product = hessian_product(self.network, self.alphas, batch, self._randomness(epoch, self.curvature_generator))
        if settings.kind == "dominant":
            value = dominant_eigenvalue(product, self.alphas, decay, self.lanczos_generator)
            return CurvatureRecord(epoch, value, None)
        hessian = full_hessian(product, self.alphas, decay).detach().cpu()
        return CurvatureRecord(epoch, largest_eigenvalue(hessian), hessian)

    def _ramp(self, epoch: int) -> float:
        """The share of the full cutout probability at an epoch; drop path 0 also switches cutout off, as published."""
        return epoch / max(1, self.job.search.epochs - 1) if self.job.drop_path > 0 else 0.0

    def _randomness(self, epoch: int, generator: torch.Generator) -> Randomness:
        return Randomness(self.job.drop_path * self._ramp(epoch), generator)

    def _transform(self) -> torch.Generator | None:
        """The generator of the training transform, or None where the study does without it."""
        return self.transform_generator if self.job.search.augment else None
