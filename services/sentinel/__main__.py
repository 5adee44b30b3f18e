"""The sentinel's process: core and port, plugged together."""

from services.sentinel.core import Sentinel
from services.sentinel.port import SentinelPort
from shared.runtime.launch import launch

if __name__ == "__main__":
    launch("sentinel", lambda settings: (Sentinel(settings), SentinelPort(settings)))
