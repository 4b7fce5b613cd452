"""Detached signatures of a results folder, made and checked by OpenSSH's `ssh-keygen -Y` with people's own keys.

What is signed, where signatures lie and who counts as a signer: docs/provenance.md. Sources of the formats: OpenSSH,
PROTOCOL.sshsig (signatures), ssh-keygen(1), ALLOWED SIGNERS (the file of allowed signers).
"""

import base64
import binascii
import hashlib
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from workflow_scripts.provenance.findings import Finding, Verdict
from workflow_scripts.provenance.ledger import Ledger
from workflow_scripts.runtime.durable import write_durably
from workflow_scripts.runtime.folders import SIGNATURES
from workflow_scripts.runtime.untrusted_files import UnreadableError, read_regular

NAMESPACE = "root-digest@nas-robust"
LONGEST = 64 * 1024
"""Bytes of a signature file; one by a large RSA key has 3,000."""
BEGIN, END = b"-----BEGIN SSH SIGNATURE-----\n", b"-----END SSH SIGNATURE-----\n"
MAGIC = b"SSHSIG\x00\x00\x00\x01"


class SignatureError(Exception):
    """Signing or checking that cannot be done; its text is one sentence."""


@dataclass(frozen=True)
class Signature:
    """A signature of the folder: its file, the file's bytes, and the sha256 of the public key that made it."""

    file: Path
    content: bytes
    key: bytes

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint as OpenSSH writes it."""
        return "SHA256:" + base64.b64encode(self.key).decode().rstrip("=")


def signed_text(root: str, digest: str) -> bytes:
    """What is signed: the version of this text, the results folder as records name it, and its root digest."""
    return f"signed results, version 1\nroot {root}\nroot digest {digest}\n".encode()


def signatures_in(folder: Path) -> Iterator[Signature]:
    """The signatures of a results folder, sorted by file: those at their exact place, and nothing else."""
    place = folder / SIGNATURES
    if place.is_symlink() or not place.is_dir():
        return
    for file in sorted(place.iterdir()):
        with suppress(FileNotFoundError, UnreadableError):
            content = read_regular(file, LONGEST)
            key = _key_of(content)
            if key is not None and file.name == f"{key.hex()}.sig":
                yield Signature(file, content, key)


def sign(folder: Path, text: bytes, key: Path) -> Signature:
    """Sign `text` with a private key, or with the public key of one that the SSH agent holds; write the signature.

    ssh-keygen itself asks for a passphrase, on the terminal. Raises SignatureError.
    """
    try:
        key.read_bytes()
    except OSError as error:
        raise SignatureError(f"{key}: this key cannot be read ({error.strerror})") from None
    with TemporaryDirectory(prefix="signing-") as scratch:
        # From a file: with the text on its standard input, ssh-keygen asks for no passphrase.
        file = Path(scratch, "text")
        file.write_bytes(text)
        done = _ssh_keygen("sign", "-n", NAMESPACE, "-f", str(key), str(file))
        if done.returncode:
            raise SignatureError(f"{key}: nothing was signed; ssh-keygen says: {_output_of(done)}")
        content = file.with_name("text.sig").read_bytes()
    made = _key_of(content)
    if made is None:
        raise SignatureError(f"{key}: ssh-keygen wrote a signature of a form that is not known here")
    target = folder / SIGNATURES / f"{made.hex()}.sig"
    write_durably(target, content)
    return Signature(target, content, made)


def check_signatures(ledger: Ledger, signers: Path | None, verdict: Verdict) -> None:
    """Add to a verdict who signed the folder, and a finding for every signature that does not hold, or for none.

    `signers` is a file of those whose signatures the caller takes; without it a note says that nothing was checked.
    Whether a signer's time is over (`valid-before`) is decided by the clock of now: a signature proves no time. Raises
    SignatureError where signatures cannot be checked.
    """
    found, place = list(signatures_in(ledger.folder)), f"{ledger.root}/{SIGNATURES}"
    if signers is None:
        keys = [each.fingerprint for each in found]
        verdict.note("signatures that were not checked, since no signers were given", keys)
        return
    try:
        allowed = signers.read_bytes()
    except OSError as error:
        raise SignatureError(f"{signers}: these signers cannot be read ({error.strerror})") from None
    if not found:
        verdict.findings.append(Finding("signature", place, "there is no signature in it"))
    text = signed_text(ledger.root, ledger.root_digest)
    with TemporaryDirectory(prefix="signers-") as scratch:
        Path(scratch, "signers").write_bytes(allowed)
        for each in found:
            names, fault = _signers_of(each, text, Path(scratch), signers)
            if names:
                who = f"{', '.join(names)} with the key {each.fingerprint}"
                verdict.signed.append(f"signed by {who}, over the root digest {ledger.root_digest}")
            else:
                verdict.findings.append(Finding("signature", f"{place}/{each.file.name}", fault))


def made_over(signature: Signature, text: bytes) -> bool:
    """Whether a signature is over `text`, whoever made it. Raises SignatureError."""
    with TemporaryDirectory(prefix="signature-") as scratch:
        file = Path(scratch, "signature")
        file.write_bytes(signature.content)
        return _ssh_keygen("check-novalidate", "-n", NAMESPACE, "-s", str(file), stdin=text).returncode == 0


def _signers_of(signature: Signature, text: bytes, scratch: Path, named: Path) -> tuple[list[str], str]:
    """Who made a signature over `text`, of `signers` in `scratch`, a copy of `named`; where nobody, why."""
    file, signers = scratch / "signature", scratch / "signers"
    file.write_bytes(signature.content)
    found = _ssh_keygen("find-principals", "-s", str(file), "-f", str(signers))
    if found.returncode:
        fault = next((line for line in _lines(found) if line.startswith(f"{signers}:")), "")
        why = f" ({fault.replace(str(signers), str(named))})" if fault else ""
        return [], f"{named} names no signer with its key {signature.fingerprint}{why}"
    good, faults = [], []
    for name in dict.fromkeys(re.split(r"[\n,]", found.stdout.decode(errors="replace"))):
        if not name or name.startswith("!"):
            continue
        done = _ssh_keygen("verify", "-f", str(signers), "-I", name, "-n", NAMESPACE, "-s", str(file), stdin=text)
        if done.returncode == 0:
            good.append(name)
        else:
            faults.append(_output_of(done).replace(str(signers), str(named)))
    if any("incorrect signature" in fault for fault in faults):
        return good, "it is not over this folder's root digest: the folder was changed, or another"
    return good, f"it does not count; ssh-keygen says: {'; '.join(faults)}"


def _ssh_keygen(what: str, *arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    try:  # without `stdin` it may ask on the terminal
        return subprocess.run(["ssh-keygen", "-Y", what, *arguments], input=stdin, capture_output=True, check=False)
    except FileNotFoundError:
        raise SignatureError("ssh-keygen is not there; install OpenSSH (8.2 or later)") from None


def _output_of(done: subprocess.CompletedProcess[bytes]) -> str:
    """The first thing ssh-keygen complained of."""
    return next(iter(_lines(done)), f"exit status {done.returncode}")


def _lines(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    """What ssh-keygen printed, without its questions and what it does."""
    output = re.sub(r"Enter passphrase[^:\n]*: ?", "", done.stderr.decode(errors="replace"))
    lines = (line.strip() for line in output.splitlines())
    return [line for line in lines if line and not line.startswith("Signing file ")]


def _key_of(content: bytes) -> bytes | None:
    """The sha256 of the public key in a signature file of our namespace; None for any other file."""
    if not content.startswith(BEGIN) or not content.endswith(END):
        return None
    try:
        blob = base64.b64decode(content[len(BEGIN) : -len(END)].replace(b"\n", b""), validate=True)
        fields = list(_strings(blob.removeprefix(MAGIC)))
    except (binascii.Error, ValueError):
        return None
    if not blob.startswith(MAGIC) or len(fields) != 5 or fields[1] != NAMESPACE.encode():
        return None  # the fields: public key, namespace, reserved, hash algorithm, signature
    return hashlib.sha256(fields[0]).digest()


def _strings(blob: bytes) -> Iterator[bytes]:
    """The strings of SSH's wire format (RFC 4251): each after its length, four bytes. Raises ValueError."""
    while blob:
        length = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + length:
            raise ValueError("a string is cut off")
        yield blob[4 : 4 + length]
        blob = blob[4 + length :]
