"""Tables of two made-up worlds: one in which every claim of the papers is true, and one in which all are false."""

import numpy as np

from workflow_scripts.tables.catalogue import TABLES
from workflow_scripts.tables.genotype import Genotype

METHODS = ("darts", "darts_es", "darts_ada", "r_darts_l2", "r_darts_dp", "random_ws")
GROUPS = (("s1", "cifar10", "skip_connect"), ("s4", "cifar10", "noise"))
SETTINGS = ((3e-4, 0.0), (6e-2, 0.0), (3e-4, 0.5))


def table(name, rows):
    """Rows of a table, with what they do not name left out."""
    return TABLES[name].frame([dict.fromkeys(TABLES[name].names) | row for row in rows])


def empty():
    """Every table without a row."""
    return {name: table(name, []) for name in TABLES}


def cell(operation, bad):
    """A genotype whose normal cell has this many operations of a kind."""
    names = [operation] * bad + ["sep_conv_3x3"] * (8 - bad)
    edges = tuple((name, place % 2) for place, name in enumerate(names))
    return Genotype(edges, edges).text()


def cells(true, seeds=8):
    """Searches, curvature, spectra, trainings and published values."""
    rows = {name: [] for name in ("searches", "search_epochs", "curvature", "spectra", "evaluations", "comparison")}
    random = np.random.default_rng(1)
    for space, data_set, operation in GROUPS:
        for l2, drop_path in SETTINGS:
            for seed in range(seeds):
                keys = {"space": space, "data_set": data_set, "search": "darts", "l2": l2, "drop_path": drop_path}
                keys |= {"seed": seed, "run": f"{l2}-{drop_path}-{seed}"}
                weak = l2 < 0.01 and drop_path == 0
                degenerate = weak if true else l2 > 0.01
                last = (0.8 if weak == true else 0.2) + 0.05 * random.random()
                first = 0.5 if true else 1.0
                error = 100 * last if true else 100 * (1 - last)
                rows["searches"].append(
                    keys
                    | {"outcome": "finished", "stopped": degenerate and true, "stop_epoch": 10 if true else 49}
                    | {"final_dominant_eigenvalue": last, "genotype": cell(operation, 8 if degenerate else 1)}
                    | {"valid_error_percent": 10.0, "discretised_valid_error_percent": 10 + error}
                )
                for epoch, bad in ((10, 1), (49, 8 if degenerate else 1)):
                    rows["search_epochs"].append(keys | {"epoch": epoch, "genotype": cell(operation, bad)})
                for epoch, value in ((0, first), (49, last)):
                    rows["curvature"].append(keys | {"epoch": epoch, "moving_average": value})
                for index, value in enumerate((last, last / 2 if true else 1 - last)):
                    rows["spectra"].append(keys | {"index": index, "eigenvalue": value})
                trained = METHODS if weak else ("darts",)
                for method in trained:
                    better = {"darts": 0, "random_ws": 5}.get(method, 10) * (1 if true else -1)
                    rows["evaluations"].append(
                        keys | {"method": method, "test_error_percent": error - better - random.random()}
                    )
        weak_error = 82.0 if true else 22.0
        rows["comparison"].append(
            {"space": space, "data_set": data_set, "method": "darts", "published_a_deviation_percent": 5.0}
            | {"published_a_mean_percent": weak_error if true else 1.0}
        )
    return empty() | {name: table(name, found) for name, found in rows.items()}


def depth(true, seeds=8):
    """Networks of learnt and of fixed depth, on spirals and on images, and their times."""
    runs, speed = [], []
    random = np.random.default_rng(2)

    def run(experiment, model, data_set, depth, d_opt, error, **varied):
        for seed in range(seeds):
            noise = 0.01 * random.random()
            keys = {"experiment": experiment, "model": model, "data_set": data_set, "max_depth": depth}
            keys |= {"run": f"{experiment}-{model}-{data_set}-{depth}-{varied}-{seed}", "outcome": "finished"}
            keys |= {"width": 20, "points": 2000, "train_points": 200, "data_seed": seed, "weight_seed": seed} | varied
            learnt, loss = model == "ldn", 0.0 if true else 5.0
            runs.append(
                keys
                | {"d_opt": d_opt - (depth == 30 and seed % 2), "test_error_full_percent": error + noise}
                | {"test_error_d_opt_percent": error + loss + 2 * noise}
                | {"calibration_error_full": 0.05 + noise, "calibration_error_d_opt": 0.01 if true else 0.2}
            )
            if learnt and data_set != "spirals":
                names = TABLES["depth_speed"].names
                times = {"deterministic_milliseconds": 2.0, "d_opt_milliseconds": 1.0 + noise if true else 3.0 + noise}
                speed.append({key: value for key, value in keys.items() if key in names} | times | {"repeat": 0})

    for data_set in ("spirals", "mnist", "svhn"):
        for depth in (10, 20, 30, 40):
            run("max_depth", "ldn", data_set, depth, 6 if true else depth, 2.0 if true else depth / 4)
            run("fixed", "ddn", data_set, depth, depth, depth / 4 if true else 30.0 - depth / 4)
    for small, large, varied in ((180.0, 720.0, "stop_angle_degrees"), (50, 800, "train_points"), (5, 200, "width")):
        grows = true == (varied != "width")
        run(varied, "ldn", "spirals", 20, 3 if grows else 9, 2.0, **{varied: small})
        run(varied, "ldn", "spirals", 20, 9 if grows else 3, 2.0, **{varied: large})
    return empty() | {"depth_runs": table("depth_runs", runs), "depth_speed": table("depth_speed", speed)}
