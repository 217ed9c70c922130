"""Parses command lines with an engine's own parser; run by an interpreter that has what the engine imports.

Lists of words come as JSON on standard input; of each goes out what the parser says against it, empty if nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Callable

WORDS_BEFORE = {"vllm": 2, "sglang": 3}  # `vllm serve`, `python3 -m sglang.launch_server`


def vllm_parser() -> Callable[[list[str]], object]:
    from vllm.entrypoints.common.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = make_arg_parser(FlexibleArgumentParser(prog="vllm serve"))

    def parse(words: list[str]) -> object:
        found = parser.parse_args(words)
        validate_parsed_serve_args(found)
        return found

    return parse


def sglang_parser() -> Callable[[list[str]], object]:
    from sglang.srt.server_args import ServerArgs

    parser = argparse.ArgumentParser(prog="sglang serve")
    ServerArgs.add_cli_args(parser)
    return parser.parse_args


def main(engine: str) -> None:
    parse = {"vllm": vllm_parser, "sglang": sglang_parser}[engine]()
    said = []
    for words in json.load(sys.stdin):
        heard = io.StringIO()
        with contextlib.redirect_stderr(heard):
            try:
                parse(words[WORDS_BEFORE[engine] :])
            except (SystemExit, Exception) as error:  # whatever a parser raises is its answer
                heard.write(f"{type(error).__name__}: {error}")
                said.append(heard.getvalue())
                continue
        said.append("")
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
