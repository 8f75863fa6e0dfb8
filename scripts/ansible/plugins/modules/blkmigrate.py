#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine's migration by blkmigrate --json."""

import json

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: blkmigrate
short_description: Move a libvirt machine to another host
description:
  - Runs blkmigrate(1), which keeps a journal, on the old host, or on one that reaches it with the option from.
  - The same task given again goes on where the last one ended. It changes nothing once the machine is
    where it should be, until blkmigrate purge has removed what is known of the migration.
  - In check mode the plan is made and checked, and nothing is changed.
options:
  name:
    description: The machine.
    type: str
    required: true
  to:
    description: The new host, as ssh knows it.
    type: str
  state:
    description:
      - C(checked), nothing is in the way; C(prepared), the plan is kept and empty disks are made;
        C(copied), its disks are copied while it runs; C(moved), it is on the new host; C(back), a cutover
        that was begun has been taken back.
    type: str
    choices: [checked, prepared, copied, moved, back]
    default: moved
  live:
    description: Move it while it runs, with its memory.
    type: bool
    default: false
  options:
    description:
      - Long options of blkmigrate without their dashes. An option without a value is true, one that is
        repeated has a list.
    type: dict
    default: {}
  program:
    description: Where blkmigrate is.
    type: str
    default: blkmigrate
attributes:
  check_mode:
    support: full
    description: The plan.
author:
  - the authors of blk-filters
"""

EXAMPLES = r"""
- name: Move web to another host
  blk.filters.blkmigrate:
    name: web
    to: new.example.org
    options: {vg: ssd, quiesce: true, skip-disk: [vdb, vdc]}
"""

RETURN = r"""
outcome:
  description: The object that blkmigrate --json printed last; blkmigrate(1) describes it.
  returned: when blkmigrate has run
  type: dict
stage:
  description: Where the migration stands.
  returned: always
  type: str
"""

BEGUN = ("none", "planned")
STEPS = {
    # state: by the stage that is known, the commands that lead there
    "checked": lambda stage: ["preflight"] if stage == "none" else [],
    "prepared": lambda stage: ["prepare"] if stage in BEGUN else [],
    "copied": lambda stage: ["prepare", "sync"] if stage in BEGUN else ["sync"] if stage == "prepared" else [],
    "moved": lambda stage: [] if stage == "moved" else ["run"],
    "back": lambda stage: ["rollback"] if stage in ("cutover", "rollback", "moving", "perhaps-committed", "committed", "moved") else [],
}


def words_of(options):
    words = []
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            if each is True:
                words.append("--" + name)
            elif each is not False and each is not None:
                words.append(f"--{name}={each}")
    return words


def call(module, command, words):
    """Run one command; its object, which is there whatever became of it."""
    arguments = [module.params["program"], command, "--json", *words, "--", module.params["name"]]
    status, printed, said = module.run_command(arguments)
    try:
        return json.loads(printed)
    except ValueError:
        module.fail_json(msg=f"blkmigrate {command} printed no object", rc=status, stdout=printed, stderr=said)


def fail(module, outcome, changed):
    lines = [f"{outcome['result']}: {outcome['message'] or 'blkmigrate ' + outcome['command'] + ' failed'}"]
    lines += [f"{each['what']} ({each['remedy']})" for each in outcome["problems"]]
    module.fail_json(msg="; ".join(lines), changed=changed or outcome["changed"], rc=outcome["status"], outcome=outcome,
                     stage=outcome.get("stage", "none"))


def stage_of(module, words):
    outcome = call(module, "status", words)
    if outcome["result"] == "done":
        return outcome["migrations"][0]["stage"]
    if outcome["result"] != "refused":
        fail(module, outcome, False)
    return "none"


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "to": {"type": "str"},
            "state": {"type": "str", "default": "moved", "choices": list(STEPS)},
            "live": {"type": "bool", "default": False},
            "options": {"type": "dict", "default": {}},
            "program": {"type": "str", "default": "blkmigrate"},
        },
        supports_check_mode=True,
    )
    state = module.params["state"]
    words = words_of(module.params["options"])
    stage = stage_of(module, words)
    steps = STEPS[state](stage)
    if module.params["live"]:
        steps = ["live" if step == "run" else step for step in steps]
    will_change = bool(steps) and state != "checked"
    if module.check_mode and steps:
        # Only a plan can be checked without a change; what is under way has been checked when it was planned.
        steps = ["plan"] if stage == "none" else []
    if module.params["to"]:
        words.append("--to=" + module.params["to"])
    outcome, changed = None, False
    for step in steps:
        outcome = call(module, step, words + ["--yes"])
        if outcome["status"] != 0:
            fail(module, outcome, changed)
        changed = changed or outcome["changed"]
        stage = outcome.get("stage", stage)
    module.exit_json(changed=will_change if module.check_mode else changed, outcome=outcome, stage=stage)


if __name__ == "__main__":
    main()
