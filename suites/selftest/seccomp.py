"""Forbids user namespaces to a process and its children, as Docker's default seccomp profile does."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_LOAD, _EQUALS, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JSET|K, BPF_RET|K
_NUMBER_AT, _FIRST_ARGUMENT_AT = 0, 16  # struct seccomp_data
_UNSHARE, _CLONE, _CLONE3 = 272, 56, 435  # x86_64
_CLONE_NEWUSER = 0x10000000
_ALLOW, _FAIL_WITH = 0x7FFF0000, 0x00050000

DOCKER_CAPABILITIES = [
    "chown",
    "dac_override",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "net_bind_service",
    "net_raw",
    "sys_chroot",
    "mknod",
    "audit_write",
    "setfcap",
]
"""What a container's root may by default (moby, profiles and oci/caps/defaults.go)."""

_PROGRAM = (
    (_LOAD, 0, 0, _NUMBER_AT),
    (_EQUALS, 4, 0, _UNSHARE),  # -> forbid
    (_EQUALS, 4, 0, _CLONE3),  # -> "no such call": callers then use clone, whose flags can be looked at
    (_EQUALS, 0, 4, _CLONE),  # anything else -> allow
    (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
    (_ANY_BIT, 0, 2, _CLONE_NEWUSER),
    (_RETURN, 0, 0, _FAIL_WITH | errno.EPERM),
    (_RETURN, 0, 0, _FAIL_WITH | errno.ENOSYS),
    (_RETURN, 0, 0, _ALLOW),
)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def forbid_user_namespaces() -> None:
    """For ``preexec_fn``: from here on, unshare fails, and clone fails where it asks for a user namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in _PROGRAM)
    buffer = ctypes.create_string_buffer(code)
    program = _Program(len(_PROGRAM), ctypes.cast(buffer, ctypes.c_void_p))
    if os.geteuid() != 0 and libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")
