"""Trainings of one architecture: a training follows from data, architecture, seed and length, so it is made once.

Methods and searches that share an architecture share its training. It is that of the method which the paper lists
first, and of several runs that whose name comes first, so that the order of a grid decides nothing.
"""

from collections.abc import Hashable, Sequence

from workflow_scripts.tables.display_names import method_order


def first_places(found_by: Sequence[tuple[str, str]], trained: Sequence[Hashable | None]) -> list[int]:
    """For each training of one data set the place of the first that is the same one, often its own.

    `found_by` are method and run of the architectures; `trained` holds what decides each training, None where nothing
    is trained.
    """
    first: dict[Hashable, int] = {}
    places = list(range(len(found_by)))
    for place in sorted(places, key=lambda place: (method_order(found_by[place][0]), found_by[place][1])):
        if trained[place] is not None:
            places[place] = first.setdefault(trained[place], place)
    return places
