"""A student whose restarts forget, as in the sandbox."""

from deepul_utils.checks.desk import Desk
from deepul_utils.checks.student import Student


class Sandboxed(Student):
    """Runs `code`, and at a restart again in a namespace that knows nothing but `given`."""

    def __init__(self, code, **given):
        super().__init__(lambda *request: self.desk.ask(*request), self.begin)
        self.code, self.given = code, given
        self.begin()

    def begin(self):
        self.namespace = {"__name__": "__main__"} | self.given
        exec(self.code, self.namespace)
        self.desk = Desk(self.namespace)
