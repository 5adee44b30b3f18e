"""The order router's process: core and port, plugged together."""

from services.order_router.core import Router
from services.order_router.port import RouterPort
from shared.runtime.launch import launch

if __name__ == "__main__":
    launch("order_router", lambda settings: (Router(settings), RouterPort(settings)))
