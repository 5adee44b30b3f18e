"""The metrics exporter's process: the board and its port, plugged together."""

from services.metrics_exporter.core import Board
from services.metrics_exporter.port import ExporterPort
from shared.runtime.launch import launch
from shared.runtime.ports import Port
from shared.settings import Settings


def make(settings: Settings) -> tuple[Board, Port]:
    board = Board(settings)
    return board, ExporterPort(settings, board)


if __name__ == "__main__":
    launch("metrics_exporter", make)
