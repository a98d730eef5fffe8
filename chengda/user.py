"""`chengda user`: the staff accounts of the console."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from chengda.console_output import console, plain_errors
from city.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from console.staff import StaffStore

app = typer.Typer(no_args_is_help=True, help="Staff accounts of the console. 工作台的员工账号。")

_ROLES = "viewer, editor, publisher, operator or admin"


def _open() -> StaffStore:
    from chengda.compose import make_staff_store

    return make_staff_store(load_settings())


def _errors() -> tuple[type[BaseException], ...]:
    from city.db import DatabaseError
    from console.staff import StaffError

    return (SettingsError, StaffError, DatabaseError)


def _ask_password(generate: bool) -> tuple[str, bool]:
    from console.staff import make_password

    if generate:
        return make_password(), True
    if sys.stdin.isatty():
        return str(
            typer.prompt("密码 Password", hide_input=True, confirmation_prompt="再次输入 Again")
        ), False
    return sys.stdin.readline().rstrip("\r\n"), False


def _tell(name: str, password: str, made: bool) -> None:
    if made:
        console.print(
            f"  {name} 的密码，仅显示一次 · password of {name}, shown once: {password}",
            markup=False,
            soft_wrap=True,
        )


@app.command()
def add(
    name: str = typer.Argument(..., help="1 to 64 letters, digits or . _ - @."),
    role: str = typer.Option(..., "--role", help=f"One of {_ROLES}."),
    generate: bool = typer.Option(False, "--generate", help="Make a password and print it once."),
) -> None:
    """Add an account; the password is asked for, or read as one line from a pipe. 添加账号。"""
    with plain_errors(*_errors()):
        store = _open()
        password, made = _ask_password(generate)
        user = store.add(name, role, password)
        _log(store, "users.add", user.name, {"role": role})
        store.close()
    console.print(f"✓ {user.name} ({user.role})", markup=False)
    _tell(user.name, password, made)


@app.command("list")
def list_users() -> None:
    """List the accounts. 列出账号。"""
    with plain_errors(*_errors()):
        store = _open()
        users = store.users()
        store.close()
    for user in users:
        state = "停用 closed" if user.disabled else ""
        typer.echo(f"{user.name}\t{user.role}\t{state}".rstrip())


@app.command()
def password(
    name: str = typer.Argument(...),
    generate: bool = typer.Option(False, "--generate", help="Make a password and print it once."),
) -> None:
    """Set a new password; the account's sessions end. 设置新密码。"""
    with plain_errors(*_errors()):
        store = _open()
        new, made = _ask_password(generate)
        user = store.set_password(name, new)
        _log(store, "users.password", user.name, None)
        store.close()
    console.print(f"✓ {user.name}", markup=False)
    _tell(user.name, new, made)


@app.command()
def role(
    name: str = typer.Argument(...),
    new: str = typer.Argument(..., metavar="ROLE", help=f"One of {_ROLES}."),
) -> None:
    """Give another role. 更改角色。"""
    with plain_errors(*_errors()):
        store = _open()
        user = store.set_role(name, new)
        _log(store, "users.role", user.name, {"role": new})
        store.close()
    console.print(f"✓ {user.name} ({user.role})", markup=False)


@app.command()
def disable(
    name: str = typer.Argument(...),
    undo: bool = typer.Option(False, "--undo", help="Reopen a closed account."),
) -> None:
    """Close an account; it is signed out at once. 停用账号。"""
    with plain_errors(*_errors()):
        store = _open()
        user = store.set_disabled(name, not undo)
        _log(store, "users.enable" if undo else "users.disable", user.name, {"disabled": not undo})
        store.close()
    console.print(f"✓ {user.name} {'' if undo else '停用 closed'}".rstrip(), markup=False)


def _log(store: StaffStore, action: str, target: str, after: object) -> None:
    from console.staff import AuditLog

    AuditLog(store.engine).add("command line", "admin", action, target, after=after)
