"""The conformance command: agreement, a wrong value, and files that cannot be used."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from reference.vectors import (
    depth_network_vector,
    depth_posterior_vector,
    depth_training_vector,
    evaluation_vector,
    supernet_vector,
)

from workflow_scripts.conformance import KINDS, compare, error_of, main

ROOT = Path(__file__).parents[1]
ORACLE = ROOT.parent / "shared" / "oracle"
FILES = sorted(ORACLE.glob("*.pt"))
SKIPS = [("skip_connect", 0), ("sep_conv_3x3", 1)] * 4
GENOTYPE = f"Genotype(normal={SKIPS}, normal_concat=range(2, 6), reduce={SKIPS}, reduce_concat=range(2, 6))"
MAKERS = {
    "supernet": lambda: supernet_vector("s2", 21, init_channels=2, layers=3, image_size=8, batch=4),
    "evaluation_network": lambda: evaluation_vector(GENOTYPE, 22, init_channels=2, layers=3),
    "depth_posterior": lambda: depth_posterior_vector(6, 23),
    "depth_training": lambda: depth_training_vector("LDN", 24, max_depth=2, width=4, samples=20, epochs=3),
    "depth_network": lambda: depth_network_vector(25, max_depth=2, outer_width=4, inner_width=2, image_size=12),
}


@pytest.fixture(scope="module")
def vectors():
    return {kind: make() for kind, make in MAKERS.items()}


@pytest.fixture(scope="module")
def ours(vectors):
    return {kind: KINDS[kind](vector) for kind, vector in vectors.items()}


@pytest.fixture
def saved(tmp_path):
    def save(content, name="vector.pt"):
        path = tmp_path / name
        torch.save(content, path)
        return path

    return save


def refusal(path, capsys):
    """The one sentence the command says about a bad file, after checking that it says nothing else."""
    assert main([str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1 and printed.err.endswith("\n")
    assert printed.err.startswith(f"{path}: ")
    assert "Traceback" not in printed.err
    return printed.err.removeprefix(f"{path}: ")


def test_every_kind_has_a_maker_here():
    assert set(MAKERS) == set(KINDS)


@pytest.mark.skipif(not FILES, reason="the published reference vectors are not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_published_vector_agrees(path, capsys):
    assert main([str(path)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines()[0] == f"{path}: {torch.load(path, weights_only=True)['kind']}"
    assert "DISAGREES" not in printed.out


@pytest.mark.parametrize("kind", MAKERS)
def test_vector_of_the_plain_reference_agrees(kind, vectors, ours, saved, capsys, monkeypatch):
    assert main([str(saved(vectors[kind]))]) == 0
    monkeypatch.setitem(KINDS, kind, lambda _: ours[kind])
    count = len(compare(vectors[kind]))
    assert f"{count} of {count} quantities agree" in capsys.readouterr().out


def altered(value):
    if isinstance(value, str):
        return value.replace("sep_conv_3x3", "skip_connect", 1)
    if isinstance(value, int):
        return value + 1
    changed = torch.as_tensor(value, dtype=torch.float64).clone()
    changed.view(-1)[-1] += 1e-5 * changed.norm()
    return changed


@pytest.mark.parametrize(
    ("kind", "quantity"),
    [
        ("supernet", "logits_valid"),
        ("supernet", "grad_alphas_second_order/reduce"),
        ("supernet", "hessian"),
        ("supernet", "dominant_eigenvalue"),
        ("supernet", "genotype"),
        ("supernet", "parameters_after_step/stem.0.weight"),
        ("evaluation_network", "logits_auxiliary"),
        ("evaluation_network", "parameter_count"),
        ("depth_posterior", "d_opt"),
        ("depth_posterior", "kl"),
        ("depth_posterior", "optimal_q"),
        ("depth_training", "kl_per_sample"),
        ("depth_training", "state_dict_after/prob_model.q_logits"),
        ("depth_network", "per_depth_logits_eval_mode_after"),
    ],
)
def test_one_altered_value_is_found(kind, quantity, vectors, ours, saved, capsys, monkeypatch):
    monkeypatch.setitem(KINDS, kind, lambda _: ours[kind])
    vector = copy.deepcopy(vectors[kind])
    *folders, name = quantity.split("/")
    expected = vector["expected"]
    for folder in folders:
        expected = expected[folder]
    expected[name] = altered(expected[name])
    assert main([str(saved(vector))]) == 1
    wrong = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "DISAGREES" in line]
    assert wrong == [quantity]


def test_a_disagreement_in_the_first_of_two_files_is_not_forgotten(vectors, saved):
    wrong = copy.deepcopy(vectors["depth_posterior"])
    wrong["expected"]["kl"] += 1.0
    assert main([str(saved(wrong, "wrong.pt")), str(saved(vectors["depth_posterior"], "right.pt"))]) == 1


def test_an_expected_quantity_unknown_to_us_disagrees(vectors, saved):
    vector = copy.deepcopy(vectors["depth_posterior"])
    vector["expected"]["another"] = torch.ones(2)
    assert main([str(saved(vector))]) == 1


def test_error_of():
    zeros = torch.zeros(3, dtype=torch.float64)
    assert error_of(zeros + 5e-13, zeros) == 0
    assert error_of(zeros + 1e-11, zeros) == float("inf")
    assert error_of(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 5.0])) == pytest.approx(1 / 34**0.5)
    assert error_of(torch.ones(2, 1), torch.ones(2)) == float("inf")
    assert error_of(torch.tensor([1.0, float("nan")]), torch.ones(2)) == float("inf")
    assert error_of(None, torch.ones(1)) == float("inf")
    assert error_of("a", "a") == 0
    assert error_of("a", "b") == float("inf")


def test_missing_file(tmp_path, capsys):
    assert "No such file" in refusal(tmp_path / "absent.pt", capsys)


def test_folder(tmp_path, capsys):
    assert "cannot be read" in refusal(tmp_path, capsys)


@pytest.mark.parametrize("content", [b"", b"\x80\x02garbage", bytes(range(256)) * 40, b"PK\x03\x04" + bytes(100)])
def test_random_bytes(content, tmp_path, capsys):
    path = tmp_path / "random.pt"
    path.write_bytes(content)
    assert "not a reference vector" in refusal(path, capsys)


def test_truncated_file(vectors, saved, capsys):
    path = saved(vectors["depth_posterior"])
    path.write_bytes(path.read_bytes()[:-200])
    assert "not a reference vector" in refusal(path, capsys)


class Trap:
    """Unpickled with code execution allowed, it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "executed")


@pytest.mark.parametrize("protocol", ["torch", "pickle"])
def test_code_in_a_file_is_not_executed(protocol, tmp_path, saved, capsys, vectors, recwarn):
    evidence = tmp_path / "evidence"
    vector = {**vectors["depth_posterior"], "config": Trap(evidence)}
    path = saved(vector)
    if protocol == "pickle":
        path.write_bytes(pickle.dumps(vector))
    assert "not a reference vector" in refusal(path, capsys)
    assert not evidence.exists()
    assert not recwarn.list  # a warning would be a second sentence
    torch.load(saved(vector), weights_only=False)
    assert evidence.read_text() == "executed"  # so the trap works


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        torch.ones(3),
        {"kind": "supernet", "config": {}},
        {"kind": "another", "config": {}, "expected": {"loss": 1.0}},
        {"kind": "supernet", "config": {}, "expected": {}},
        {"kind": "supernet", "config": {}, "expected": [1.0]},
        {"kind": ["supernet"], "config": {}, "expected": {"loss": 1.0}},
        {"state_dict": {"weight": torch.ones(2)}},
    ],
    ids=["list", "tensor", "no expected", "another", "nothing expected", "expected list", "kind list", "state dict"],
)
def test_another_dictionary(content, saved, capsys):
    refusal(saved(content), capsys)


def without(key):
    return lambda vector: vector.pop(key)


def replaced(*keys, value):
    def change(vector):
        for key in keys[:-1]:
            vector = vector[key]
        vector[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        ("supernet", without("alphas")),
        ("supernet", without("batch")),
        ("supernet", replaced("config", value=None)),
        ("supernet", replaced("config", "space", value="s9")),
        ("supernet", replaced("alphas", "normal", value=torch.zeros(14, 5, dtype=torch.float64))),
        ("supernet", replaced("batch", "x_train", value=torch.zeros(4, 3, 8, dtype=torch.float64))),
        ("supernet", replaced("batch", "y_valid", value=torch.tensor([0, 1, 2, 99]))),
        ("supernet", replaced("momentum_buffers", value={})),
        ("supernet", replaced("config", "nodes", value=3)),
        ("evaluation_network", without("state_dict")),
        ("evaluation_network", replaced("config", "genotype", value="__import__('os').getcwd()")),
        ("evaluation_network", replaced("config", "genotype", value=None)),
        ("evaluation_network", replaced("config", "layers", value=2)),
        ("depth_posterior", replaced("inputs", "q_logits", value=torch.zeros(3, dtype=torch.float64))),
        ("depth_training", replaced("batch", "x", value=torch.zeros(20, 7, dtype=torch.float64))),
        ("depth_network", replaced("state_dict", value={})),
    ],
)
def test_inputs_that_do_not_fit(kind, damage, vectors, saved, capsys):
    vector = copy.deepcopy(vectors[kind])
    damage(vector)
    assert kind in refusal(saved(vector), capsys)


def test_as_a_person_calls_it(vectors, saved, tmp_path):
    good, absent = saved(vectors["depth_posterior"]), tmp_path / "absent.pt"
    command = [sys.executable, "-m", "workflow_scripts.conformance"]
    ended = subprocess.run([*command, good, absent], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == f"{absent}: cannot be read (No such file or directory)\n"
    assert "12 of 12 quantities agree" in ended.stdout
