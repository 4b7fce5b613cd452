"""Which training images train the weights of a search, and which its alphas.

Another split is another body of `split`; it makes the searches and selections stale. How many images each part has
is a setting: `Cells.split` in `study/cell_settings.py` computes it from `search.subset` and `validation_fraction`.
"""

from workflow_scripts.data.image_batches import Part
from workflow_scripts.study.cell_job_settings import SearchJob, SelectionJob


def split(train: Part, job: SearchJob | SelectionJob) -> tuple[Part, Part]:
    """The images for the weights and those for the alphas: the first ones and those that follow, as published."""
    return train.first(job.weight_images), train.first(job.alpha_images, after=job.weight_images)
