"""nbgrader's formgrader, in Chromium: the scores are there, and a written answer is read and given its points."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import tiny_homework
from nbgrader.api import Gradebook

from deepul_utils.course.release import generate
from deepul_utils.grading import engine, names, settings

pytestmark = [pytest.mark.xdist_group("formgrader"), pytest.mark.timeout(600)]

WEEK = tiny_homework.WEEK


@pytest.fixture(scope="module")
def formgrader(shared_course, tmp_path_factory):
    """The address of formgrader, started in a course with one graded submission that has words and no code."""
    course = shared_course
    notebook = course.answered(why=r"Since a half is **a half**: $\frac{1}{2}$.")
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    course.submit("ada", notebook)
    url = f"sqlite:///{course.root}/gradebook.db"
    generate(course.root, WEEK, into=tmp_path_factory.mktemp("unused"), db_url=url)
    with Gradebook(url) as gradebook:
        names.enter(gradebook, {"ada": "Lovelace, <script>document.title = 'stolen'</script>Ada"})
    course.submit("bob_7", "")
    [result, _] = engine.grade(course.root, WEEK, ["ada", "bob_7"], course=course.root)
    assert (result.score, result.waiting) == (0, 1)
    config = (Path(__file__).parents[2] / settings.FILE).read_text()
    (course.root / settings.FILE).write_text(f"import tiny_homework\n{config}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", "--IdentityProvider.token=", f"--port={port}", "--log-level=CRITICAL"]
    with subprocess.Popen(
        [Path(sys.executable).with_name("jupyter"), "server", *options],
        cwd=course.root,
        env=os.environ | {"JUPYTER_CONFIG_DIR": str(tmp_path_factory.mktemp("jupyter"))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            yield await_page(f"http://127.0.0.1:{port}/formgrader", server)
        finally:
            server.terminate()


def await_page(url, server):
    """Return `url` once it is served."""
    while server.poll() is None:
        try:
            urllib.request.urlopen(url).close()
            return url
        except urllib.error.URLError:
            time.sleep(0.5)
    raise AssertionError("the server ended before it served a page")


@pytest.fixture
def page(browser, formgrader):
    page = browser.new_page()
    asked = set()
    page.on("request", lambda request: asked.add(request.url))
    page.goto(formgrader)
    yield page
    page.close()
    own = formgrader.removesuffix("formgrader")
    assert {url for url in asked if not url.startswith((own, "data:"))} == set()


def test_the_scores_are_there(page, formgrader):
    page.goto(f"{formgrader}/manage_submissions/{WEEK}")
    row = page.locator("tr", has_text="ada")
    row.wait_for()
    assert "0 / 6" in row.inner_text()
    assert "Lovelace, scriptdocument.title = 'stolen'/scriptAda" in row.inner_text()
    assert "bob,\tbob_7" in page.locator("tr", has_text="bob_7").inner_text()
    assert "needs manual grading" in row.inner_text()


def test_a_written_answer_is_read_and_given_its_points(page, formgrader, shared_course):
    with Gradebook(f"sqlite:///{shared_course.root}/gradebook.db") as gradebook:
        submission = gradebook.find_submission_notebook("sums", WEEK, "ada").id  # whose number on the page is random
    page.goto(f"{formgrader}/gradebook/{WEEK}/sums")
    page.locator(f"a.name-hidden[href*='{submission}']").click()
    page.get_by_text("Since a half is").wait_for()
    assert page.title() != "stolen"
    assert "Lovelace" in page.locator(".name-shown", has_text="Ada").text_content()
    page.get_by_text("the notebook has no `double`").wait_for()
    half = page.locator("math mfrac")
    assert half.bounding_box()["height"] > 1.5 * half.locator("mn").first.bounding_box()["height"]
    page.wait_for_load_state("networkidle")  # formgrader listens to its fields once it has fetched the grades
    score = page.locator("input#sums-why")
    score.fill("0.5")
    with page.expect_response(lambda response: "/api/grade/" in response.url and response.request.method == "PUT"):
        score.blur()
    with Gradebook(f"sqlite:///{shared_course.root}/gradebook.db") as gradebook:
        assert gradebook.find_grade("sums-why", "sums", WEEK, "ada").manual_score == 0.5
    [again] = engine.grade(shared_course.root, WEEK, ["ada"], course=shared_course.root)
    assert again.score == 0.5


def test_its_button_gives_the_scores_of_the_command(page, formgrader, shared_course):
    root = shared_course.root
    shared_course.submit("cleo", shared_course.answered(half="    return x // 2"))  # two thirds of it
    page.goto(f"{formgrader}/manage_submissions/{WEEK}")
    row = page.locator("tr", has_text="cleo")
    row.get_by_text("needs autograding").wait_for()
    with page.expect_response(lambda response: response.url.endswith("/cleo/autograde"), timeout=300_000) as answer:
        row.locator(".autograde a").click()
    assert answer.value.json()["success"], answer.value.text()
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        submission = gradebook.find_submission(WEEK, "cleo")
        points = {grade.name: grade.auto_score for notebook in submission.notebooks for grade in notebook.grades}
    assert points == {"sums-double": 2, "sums-half": 2, "sums-why": None}
    page.get_by_text(f"Successfully autograded '{WEEK}' for student 'cleo'.").wait_for()
    [judged_again] = engine.grade(root, WEEK, ["cleo"], course=root, force=True)
    assert (judged_again.score, judged_again.waiting) == (4, 1)
