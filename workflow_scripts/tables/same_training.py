"""Trainings of one architecture: a training follows from data, architecture, seed and length, so it is made once.

Methods and searches that share an architecture share its training. It is that of the method which the paper lists
first, and of several runs that of the first.
"""

from collections.abc import Hashable, Sequence

from workflow_scripts.tables.display_names import method_order


def first_places(methods: Sequence[str], trained: Sequence[Hashable | None]) -> list[int]:
    """For each training of one data set the place of the first that is the same one, often its own.

    `methods` found the architectures; `trained` holds what decides each training, None where nothing is trained.
    """
    first: dict[Hashable, int] = {}
    places = list(range(len(methods)))
    for place in sorted(places, key=lambda place: method_order(methods[place])):
        if trained[place] is not None:
            places[place] = first.setdefault(trained[place], place)
    return places
