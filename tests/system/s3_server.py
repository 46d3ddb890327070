"""A real S3 server on loopback: Ceph's monitor, one object store and the RADOS gateway, all data in one folder.

Debian and Ubuntu have it: apt-get install -y --no-install-recommends ceph-mon ceph-osd radosgw ceph-common
"""

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

KEY, SECRET = "reprise-key", "reprise-secret"
PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool")
CONFIGURATION = """
[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{monitor_port}/0
mon_initial_members = a
run_dir = {folder}/run
admin_socket = {folder}/run/$name.$pid.asok
log_file = {folder}/log/$name.log
mon_cluster_log_file = {folder}/log/cluster.log
keyring = {folder}/keyring
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
[mon.a]
mon_data = {folder}/mon
[osd.0]
osd_data = {folder}/osd
osd_objectstore = bluestore
bluestore_block_size = {gibibytes}G
osd_memory_target = 939524096
[client.admin]
rgw_data = {folder}/rgw
rgw_frontends = beast endpoint=127.0.0.1:{port}
"""


class S3Server:
    """Starts in about 20 seconds and can be stopped and started again over the same data.

    Args:
        folder: of data, keys and logs; short, since it holds sockets.
        gibibytes: the size of the store, a sparse file.
    """

    def __init__(self, folder: Path, gibibytes: int = 20) -> None:
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        if missing:
            raise RuntimeError(f"{', '.join(missing)}: not installed; see {Path(__file__).name} for the packages")
        self.folder, self.port, self.monitor_port = folder, free_port(), free_port()
        self.processes: list[subprocess.Popen[bytes]] = []
        for name in ("mon", "osd", "rgw", "log", "run"):
            (folder / name).mkdir(parents=True)
        text = CONFIGURATION.format(fsid=uuid.uuid4(), gibibytes=gibibytes, **vars(self))
        (folder / "ceph.conf").write_text(text)
        self._format()

    @property
    def endpoint(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start all three, and wait until the gateway answers."""
        self._start("ceph-mon", "-i", "a")
        self._start("ceph-osd", "-i", "0")
        self.start_gateway()

    def start_gateway(self) -> None:
        """Start what answers requests, and wait for it."""
        self._start("radosgw", "-n", "client.admin")
        deadline = time.monotonic() + 120
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.processes[-1].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"radosgw did not start: see {self.folder}/log")
            time.sleep(0.2)

    def stop_gateway(self) -> None:
        """End what answers requests at once, as in a crash."""
        gateway = self.processes.pop()
        gateway.kill()
        gateway.wait()

    def add_user(self) -> None:
        """Make the one user."""
        names = ("--uid", "reprise", "--display-name", "reprise", "--access-key", KEY, "--secret-key", SECRET)
        self._run("radosgw-admin", "-n", "client.admin", "user", "create", *names)

    def stop(self) -> None:
        """End everything."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def _format(self) -> None:
        """Make keys, the map of the one monitor, and empty stores."""
        keyring, map_file = str(self.folder / "keyring"), str(self.folder / "monmap")
        conf = (self.folder / "ceph.conf").read_text()
        fsid = next(line.split("=")[1].strip() for line in conf.splitlines() if line.startswith("fsid"))
        everything = ("--cap", "mon", "allow *")
        self._run("ceph-authtool", "-C", keyring, "--gen-key", "-n", "mon.", *everything)
        self._run("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", *everything, "--cap", "osd", "allow *")
        self._run("ceph-authtool", keyring, "--gen-key", "-n", "osd.0", *everything, "--cap", "osd", "allow *")
        address = f"[v2:127.0.0.1:{self.monitor_port}]"
        self._run("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", address, map_file)
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", map_file, "--keyring", keyring)
        self._start("ceph-mon", "-i", "a")
        osd = str(uuid.uuid4())
        self._run("ceph", "osd", "new", osd, "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self.stop()

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CEPH_CONF": str(self.folder / "ceph.conf")}

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, env=self._environment(), capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")

    def _start(self, program: str, *arguments: str) -> None:
        with (self.folder / f"log/{program}.out").open("ab") as log:
            command = [program, *arguments, "--foreground"]
            self.processes.append(subprocess.Popen(command, env=self._environment(), stdout=log, stderr=log))


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
