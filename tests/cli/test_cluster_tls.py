"""A cluster whose connections are encrypted, and workers that come late and are killed."""

import json
import shlex
import shutil
import subprocess
import threading

import command
import pytest
from command import SMALL, assert_refused

pytest.importorskip("distributed", reason="needs the extra cluster")
if shutil.which("openssl") is None:
    pytest.skip("openssl makes the certificates, and is not installed", allow_module_level=True)

from machines import machines

from learning.worker_pool import Tls


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def authority(folder, name):
    """A certificate authority, and a certificate it signed: ca, certificate, key."""
    ca, ca_key, request = (folder / f"{name}-ca.{kind}" for kind in ("pem", "key", "csr"))
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    own = shlex.split("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout")
    openssl(*own, ca_key, "-out", ca)
    wanted = shlex.split("req -newkey rsa:2048 -nodes -subj /CN=node -keyout")
    openssl(*wanted, key, "-out", request)
    signed = ("-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2")
    openssl("x509", "-req", *signed, "-out", cert)
    return Tls(ca, cert, key)


def flags(tls):
    return ["--cluster-ca", tls.ca, "--cluster-cert", tls.cert, "--cluster-key", tls.key]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    return authority(folder, "ours"), authority(folder, "theirs")


@pytest.fixture(scope="module")
def here(certificates, tmp_path_factory):
    ours = certificates[0]
    files = ("--tls-ca-file", ours.ca, "--tls-cert", ours.cert, "--tls-key", ours.key)
    tls = ("--protocol", "tls", *files)
    with machines(tmp_path_factory.mktemp("machines"), 3, tls) as some:
        yield some


def test_three_workers_that_are_killed_and_join_late_change_no_bit(here, certificates, tmp_path):
    """Two are killed and two others come while an encrypted run is under way."""
    assert here.address.startswith("tls://")
    long = (*SMALL[:2], "--generations", "60", *SMALL[4:])
    doomed = here.workers[:2]
    timers = [threading.Timer(4 + 2 * number, one.kill) for number, one in enumerate(doomed)]
    timers += [threading.Timer(1 + 3 * number, here.begin) for number in range(2)]
    for timer in timers:
        timer.start()
    cluster = ("--cluster", here.address, *flags(certificates[0]))
    done = command.neurosim("train", *long, *cluster, "--run", tmp_path / "many", "--json")
    for timer in timers:
        timer.join()
    assert done.returncode == 0, done.stderr
    alone = command.here("train", *long, "--run", tmp_path / "alone", "--json")
    many, one = json.loads(done.stdout), json.loads(alone.stdout)
    assert many["weights_sha256"] == one["weights_sha256"]


def test_who_has_no_certificate_of_the_authority_is_refused(here, certificates, tmp_path):
    plain = here.address.replace("tls://", "tcp://")
    for address, more in ((here.address, flags(certificates[1])), (here.address, []), (plain, [])):
        refused = command.neurosim(
            "train", *SMALL, "--cluster", address, *more, "--run", tmp_path / "run"
        )
        assert_refused(refused, 1, address)
        assert not (tmp_path / "run").exists()


def test_files_that_are_missing_are_named(certificates, tmp_path):
    ours = certificates[0]
    refused = command.here("train", *SMALL, "--cluster", "here:1", "--cluster-ca", ours.ca)
    assert_refused(refused, 1, "--cluster-cert, --cluster-key")
    refused = command.here("train", *SMALL, *flags(ours))
    assert_refused(refused, 1, "also needs --cluster")
    gone = flags(ours._replace(key=tmp_path / "none.key"))
    refused = command.here("train", *SMALL, "--cluster", "here:1", *gone)
    assert_refused(refused, 1, "--cluster-key", "none.key: no such file")
