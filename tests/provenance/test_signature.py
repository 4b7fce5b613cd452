"""Signatures with people's own keys: who signed which root digest, and what counts for nothing."""

import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from provenance.forging import ROOT

from workflow_scripts import audit
from workflow_scripts.provenance import signature
from workflow_scripts.provenance.ledger import read_ledger
from workflow_scripts.provenance.signature import NAMESPACE, signatures_in, signed_text

REPORT = "records/report.json"
REPOSITORY = Path(__file__).parents[2]


def make_key(file, passphrase="", kind="ed25519"):
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", file], check=True)
    return file


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Keys of Ada, Bob, and of somebody nobody knows."""
    folder = tmp_path_factory.mktemp("keys")
    return {
        name: make_key(folder / name, kind="ecdsa" if name == "bob" else "ed25519") for name in ("ada", "bob", "eve")
    }


@pytest.fixture
def signers(keys, tmp_path):
    return write_signers(tmp_path / "signers", f"ada@example.org {public(keys['ada'])}", f"bob {public(keys['bob'])}")


def public(key):
    return key.with_name(f"{key.name}.pub").read_text().strip()


def write_signers(file, *lines):
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def verify(folder, capsys, *more):
    """The exit status of `audit verify`, the lines about signatures, and all it says."""
    status = audit.main(["verify", str(folder), *map(str, more)])
    printed = capsys.readouterr()
    text = printed.out + printed.err
    return status, [line for line in text.splitlines() if "sign" in line], text


def sign(folder, key):
    return audit.main(["sign", str(folder), "--key", str(key)])


# what holds -----------------------------------------------------------------------------------------------------------


def test_a_signature_tells_who_signed_which_digest(results, keys, signers, capsys):
    digest = read_ledger(results).root_digest
    assert sign(results, keys["ada"]) == 0
    assert f"over the root digest {digest}" in capsys.readouterr().out
    status, [message], text = verify(results, capsys, "--signers", signers)
    fingerprint = subprocess.run(["ssh-keygen", "-lf", keys["ada"]], capture_output=True, text=True).stdout.split()[1]
    assert status == 0
    assert message == f"signed by ada@example.org with the key {fingerprint}, over the root digest {digest}"
    assert "clean" in text
    assert read_ledger(results).root_digest == digest, "a signature is outside what it signs"


def test_several_people_sign_and_each_once(results, keys, signers, capsys):
    for key in ("ada", "bob", "ada"):
        assert sign(results, keys[key]) == 0
    capsys.readouterr()
    assert len(list(signatures_in(results))) == 2
    status, lines, _ = verify(results, capsys, "--signers", signers)
    assert (status, {line.split()[2] for line in lines}) == (0, {"ada@example.org", "bob"})


def test_without_signers_signatures_are_named_and_not_checked(results, keys, capsys):
    assert not verify(results, capsys)[1]
    sign(results, keys["eve"])
    capsys.readouterr()
    status, [message], _ = verify(results, capsys)
    assert status == 0
    assert message.startswith("note: signatures that were not checked, since no signers were given: SHA256:")


def test_a_crate_carries_the_signatures(results, keys, signers, tmp_path, capsys):
    sign(results, keys["ada"])
    assert audit.main(["export", str(results), str(tmp_path / "crate")]) == 0
    capsys.readouterr()
    status, [message], _ = verify(tmp_path / "crate" / ROOT, capsys, "--signers", signers)
    assert (status, message.split()[2]) == (0, "ada@example.org")


def test_several_names_of_one_key_are_all_told(results, keys, tmp_path, capsys):
    sign(results, keys["ada"])
    capsys.readouterr()
    signers = write_signers(
        tmp_path / "s", f"ada@example.org,ada@home {public(keys['ada'])}", f"*@lab {public(keys['ada'])}"
    )
    status, [message], _ = verify(results, capsys, "--signers", signers)
    assert status == 0
    assert message.startswith("signed by ada@example.org, ada@home with the key SHA256:")


def test_a_key_with_a_passphrase_is_asked_for_on_the_terminal(results, tmp_path):
    key = make_key(tmp_path / "locked", "secret words")
    program = "import sys; from workflow_scripts.audit import main; sys.exit(main())"
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(REPOSITORY)
        os.execv(sys.executable, [sys.executable, "-c", program, "sign", str(results), "--key", str(key)])
    shown = b""
    try:
        while b"passphrase" not in shown:
            shown += os.read(terminal, 1000)
        os.write(terminal, b"secret words\n")
        while more := os.read(terminal, 1000):
            shown += more
    except OSError:
        pass  # the terminal is closed when the command ends
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, shown
    assert b"signed with the key SHA256:" in shown


# what does not --------------------------------------------------------------------------------------------------------


def only_finding(folder, capsys, signers):
    status, lines, _ = verify(folder, capsys, "--signers", signers)
    [finding] = [line for line in lines if line.startswith("signature: ")]
    assert status == 1
    return finding


def test_no_signature_is_a_finding(results, signers, capsys):
    assert only_finding(results, capsys, signers) == f"signature: {ROOT}/signatures: there is no signature in it"


def test_an_unknown_key_is_a_finding(results, keys, signers, capsys):
    sign(results, keys["ada"])
    sign(results, keys["eve"])
    assert f"{signers} names no signer with its key SHA256:" in only_finding(results, capsys, signers)


@pytest.mark.parametrize("what", ["record", "root", "namespace", "other text"])
def test_a_signature_of_something_else_is_a_finding(results, keys, signers, tmp_path, capsys, monkeypatch, what):
    """Of the folder before a record was forged, of another folder, or made for another purpose."""
    ledger = read_ledger(results)
    text = signed_text(ledger.root, ledger.root_digest)
    if what == "root":
        text = signed_text("results/other", ledger.root_digest)
    if what == "other text":
        text = ledger.root_digest.encode()
    if what == "namespace":
        monkeypatch.setattr(signature, "NAMESPACE", "git")
    made = signature.sign(results, text, keys["ada"])
    monkeypatch.undo()
    if what == "record":
        (results / "waivers").mkdir()
        shutil.copy(results / REPORT, results / "waivers/report.json")
    if what == "namespace":
        status, _, text = verify(results, capsys, "--signers", signers)
        assert status == 1
        assert f"unrecorded: {ROOT}/signatures/{made.file.name}" in text
    else:
        assert "it is not over this folder's root digest" in only_finding(results, capsys, signers)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ('valid-before="20200101" ', "key has expired"),
        ('valid-after="29990101" ', "key is not yet valid"),
        ('namespaces="git" ', "key is not permitted for use in signature namespace"),
    ],
)
def test_a_signer_whose_key_is_not_for_this_is_a_finding(results, keys, tmp_path, capsys, options, why):
    sign(results, keys["ada"])
    signers = write_signers(tmp_path / "s", f"ada {options}{public(keys['ada'])}")
    finding = only_finding(results, capsys, signers)
    assert why in finding
    assert f"{signers}:1: " in finding
    right = write_signers(tmp_path / "s", f'ada namespaces="{NAMESPACE}",valid-before="29990101" {public(keys["ada"])}')
    assert verify(results, capsys, "--signers", right)[0] == 0


def test_signers_that_are_no_signers_take_nobody(results, keys, tmp_path, capsys):
    sign(results, keys["ada"])
    for lines in ((), ("nonsense",), (public(keys["ada"]),)):
        assert "names no signer" in only_finding(results, capsys, write_signers(tmp_path / "s", *lines))


def test_a_signature_altered_by_one_letter_is_a_finding(results, keys, signers, capsys):
    sign(results, keys["ada"])
    [made] = signatures_in(results)
    lines = made.content.splitlines(keepends=True)
    lines[-2] = lines[-2].replace(lines[-2][:1], b"B" if lines[-2][:1] != b"B" else b"C", 1)
    made.file.write_bytes(b"".join(lines))
    assert "it is not over this folder's root digest" in only_finding(results, capsys, signers)


# what hides among signatures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["text", "other name", "more", "link", "fifo", "large", "folder"])
def test_only_signatures_lie_among_signatures(results, keys, tmp_path, capsys, what):
    sign(results, keys["ada"])
    [made] = signatures_in(results)
    place = made.file
    if what == "text":
        place.write_text("a text")
    elif what == "other name":
        place = place.rename(place.with_name(f"{'0' * 64}.sig"))
    elif what == "more":
        place.write_bytes(made.content + b"more\n")
    elif what == "link":
        place.rename(tmp_path / "elsewhere")
        place.symlink_to(tmp_path / "elsewhere")
    elif what == "fifo":
        place.unlink()
        os.mkfifo(place)
    elif what == "large":
        os.truncate(place, 10**12)
    else:
        place = place / "inner"
        made.file.unlink()
        made.file.mkdir()
        place.write_bytes(made.content)
    status, _, text = verify(results, capsys)
    assert status == 1
    assert f"unrecorded: {ROOT}/{place.relative_to(results)}" in text


# what cannot be done --------------------------------------------------------------------------------------------------


def cannot(capsys, *arguments):
    assert audit.main([str(each) for each in arguments]) == 2
    [sentence] = capsys.readouterr().err.splitlines()
    return sentence


def test_unsound_results_are_not_signed(results, keys, capsys):
    (results / "report.html").write_text("other")
    assert "only sound results are signed, and verification has 1 finding" in cannot(
        capsys, "sign", results, "--key", keys["ada"]
    )
    assert not (results / "signatures").exists()


def test_a_key_that_is_none_or_locked_is_reported(results, keys, tmp_path, capsys):
    assert "this key cannot be read (No such file" in cannot(capsys, "sign", results, "--key", tmp_path / "no")
    (tmp_path / "text").write_text("a text")
    (tmp_path / "text").chmod(0o600)
    assert "nothing was signed; ssh-keygen says: " in cannot(capsys, "sign", results, "--key", tmp_path / "text")
    shutil.copy(f"{keys['eve']}.pub", tmp_path / "alone.pub")
    assert "nothing was signed" in cannot(capsys, "sign", results, "--key", tmp_path / "alone.pub")
    assert not (results / "signatures").exists()


def test_a_passphrase_that_nobody_can_be_asked_for_is_reported(results, tmp_path):
    command = [sys.executable, "-m", "workflow_scripts.audit", "sign", results, "--key"]
    key = make_key(tmp_path / "locked", "secret words")
    done = subprocess.run(
        [*command, key],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    [sentence] = done.stderr.splitlines()
    assert re.search(r"locked: nothing was signed; ssh-keygen says: Load key .*incorrect passphrase", sentence)


def test_signers_that_cannot_be_read_and_a_missing_ssh_keygen_are_reported(
    results, keys, signers, tmp_path, capsys, monkeypatch
):
    sign(results, keys["ada"])
    capsys.readouterr()
    assert "these signers cannot be read (No such" in cannot(capsys, "verify", results, "--signers", tmp_path / "no")
    assert "these signers cannot be read (Is a dir" in cannot(capsys, "verify", results, "--signers", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "ssh-keygen is not there" in cannot(capsys, "verify", results, "--signers", signers)
    assert "ssh-keygen is not there" in cannot(capsys, "sign", results, "--key", keys["ada"])
