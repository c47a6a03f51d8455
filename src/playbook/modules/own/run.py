# Runs a module of Ansible's new style on the host: LIBRARY MODULE-ARCHIVE NAME ARGUMENTS-FILE.
import sys

library, own, name, arguments = sys.argv[1:5]
del sys.argv[1:]
sys.path[:] = [library, own] + [path for path in sys.path[1:] if path not in ("", ".")]
with open(arguments, "rb") as file:
    given = file.read()

import ansible
import ansible.module_utils

ansible.__path__.append(own + "/ansible")
ansible.module_utils.__path__.insert(0, own + "/ansible/module_utils")

try:
    from ansible.module_utils._internal._ansiballz import _loader
except ImportError:
    _loader = None

if _loader is not None:
    _loader.run_module(json_params=given, profile="legacy", module_fqn=name, modlib_path=own, extensions={})
else:
    import runpy

    from ansible.module_utils import basic

    basic._ANSIBLE_ARGS = given
    known = {"_module_fqn": name, "_modlib_path": own}
    runpy.run_module(name, init_globals=known, run_name="__main__", alter_sys=True)
