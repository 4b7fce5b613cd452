"""What a job asks a scheduler for; no part of any identity, because it decides no result."""

from workflow_scripts.study.settings_model import Count, CountOrZero, Model

RULES = ("cell_search", "random_search", "select_architecture", "evaluate_genotype", "depth_search", "depth_speed")
"""The rules whose needs depend on the study; the others take minutes, and what the profile says by default."""


class Resources(Model):
    """The needs of a job of one rule."""

    runtime: Count
    """minutes until it is killed; started again, it goes on from its checkpoint"""
    mem_mb: Count
    """memory, megabytes"""
    gpu: CountOrZero = 0
    """devices"""
