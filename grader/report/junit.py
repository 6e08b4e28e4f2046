"""Records as JUnit XML, as CI systems read it: Jenkins, GitLab, and whoever follows them.

There is no standard. This keeps to the schema of Jenkins' xUnit plugin (junit-10.xsd) but for one attribute:
`file` of a test case, which GitLab reads. A check is a test case; one that was not run is skipped, one that was
not judged is an error. What the server printed is its `system-out`.
"""

from xml.etree import ElementTree

from grader.record import FAILED, NOT_RUN, NOT_STARTED, PASSED, Check, Result
from grader.report import text

Element = ElementTree.Element
clean = text.printable  # leaves no character that XML cannot hold (XML 1.0, section 2.2)


def case(suite: Element, result: Result, check: Check) -> None:
    name = f"eight-servers.{result.step}"
    attributes = {"classname": name, "name": f"{check.name}: {check.title}", "time": f"{check.seconds:.3f}"}
    node = ElementTree.SubElement(suite, "testcase", attributes, file=clean(result.script))
    story = clean("\n".join([text.story(check), *check.notes]).strip("\n"))
    if check.outcome in (FAILED, NOT_STARTED):
        failure = ElementTree.SubElement(node, "failure", type=check.outcome, message=clean(check.reason)[:1000])
        failure.text = story
    elif check.outcome == NOT_RUN:
        ElementTree.SubElement(node, "skipped", message=clean(check.reason)[:1000])
    elif check.outcome != PASSED:
        ElementTree.SubElement(node, "error", type=check.outcome, message=clean(check.reason)[:1000]).text = story
    if check.finding and check.finding.printed.strip():
        ElementTree.SubElement(node, "system-out").text = clean(check.finding.printed)


def suite_of(root: Element, result: Result) -> None:
    checks = [] if result.error else result.checks
    counts = {
        "tests": len(checks) or 1,
        "failures": sum(check.outcome in (FAILED, NOT_STARTED) for check in checks),
        "skipped": sum(check.outcome == NOT_RUN for check in checks),
    }
    counts["errors"] = (
        counts["tests"] - counts["failures"] - counts["skipped"] - sum(c.outcome == PASSED for c in checks)
    )
    words = {name: str(count) for name, count in counts.items()}
    suite = ElementTree.SubElement(root, "testsuite", words, name=clean(result.step), time=f"{result.seconds:.3f}")
    suite.set("timestamp", result.when.removesuffix("Z"))
    properties = ElementTree.SubElement(suite, "properties")
    told = {"points": result.score, "submission": result.submission, "sha256": result.sha256, "walls": result.walls}
    for name, value in told.items():
        ElementTree.SubElement(properties, "property", name=name, value=clean(str(value)))
    for check in checks:
        case(suite, result, check)
    if not checks:
        node = ElementTree.SubElement(suite, "testcase", classname="eight-servers", name="Grading", time="0.000")
        why = clean(result.error)
        ElementTree.SubElement(node, "error", type="nothing could be graded", message=why[:1000]).text = why


def render(results: list[Result]) -> str:
    root = ElementTree.Element("testsuites", name="Eight Servers")
    for result in results:
        suite_of(root, result)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
