"""`neurosim completion`: a script that completes commands and their options in bash and zsh."""

import importlib
import inspect
import json
import typing
from typing import Annotated, Literal

import tyro
from pydantic import BaseModel, ConfigDict


class Completion(BaseModel):
    """Print a script for the shell: source <(neurosim completion bash), or the same with zsh.

    Put that line into ~/.bashrc or ~/.zshrc; commands, options and files are then completed by the tab key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shell: tyro.conf.Positional[Literal["bash", "zsh"]]
    """the shell"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object: the options of each command"""


def run(arguments: Completion) -> int:
    options = {name: options_of(name) for name in _commands()}
    if arguments.as_json:
        print(json.dumps(options))
    else:
        print(script(arguments.shell, options))
    return 0


def _commands() -> list[str]:
    from neurosim.app.cli import COMMANDS

    return list(COMMANDS)


def options_of(command: str) -> list[str]:
    """Flags of a command."""
    from neurosim.app.cli import arguments, help_text

    module = importlib.import_module(f"neurosim.app.cli.{command.replace('-', '_')}")
    model = next(iter(typing.get_type_hints(module.run).values()))
    start = module.default([]) if hasattr(module, "default") else tyro.MISSING_NONPROP
    parser = help_text.parser_of(model, f"neurosim {command}", start, arguments.CONFIG)
    return [*sorted(one.flag for one in help_text.options(parser) if one.flag), "--help"]


ZSH = """\
(( $+functions[compdef] )) || { autoload -U compinit && compinit; }
autoload -U +X bashcompinit && bashcompinit"""
"""What makes zsh read a script of bash, in a shell whose own completion is not set up too."""


def script(shell: str, options: dict[str, list[str]]) -> str:
    """The script; zsh reads the one of bash."""
    cases = "\n".join(
        f"    {name}) words='{' '.join(flags)}' ;;" for name, flags in options.items()
    )
    body = inspect.cleandoc(
        """
        _neurosim() {
          local word=${COMP_WORDS[COMP_CWORD]} words=
          if [ "$COMP_CWORD" -eq 1 ]; then
            COMPREPLY=($(compgen -W '@commands --help --version' -- "$word"))
            return
          fi
          case ${COMP_WORDS[1]} in
        @cases
          esac
          case $word in
            -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
            *) COMPREPLY=($(compgen -f -- "$word")) ;;
          esac
        }
        complete -o filenames -F _neurosim neurosim
        """
    )
    body = body.replace("@commands", " ".join(options)).replace("@cases", cases)
    return f"{ZSH}\n{body}" if shell == "zsh" else body
