"""What axe-core, an accessibility checker, finds wrong with a page."""

from axe_playwright_python.sync_playwright import Axe


def serious(tab) -> list[str]:
    """The serious and critical violations of a page that is open, each with the elements it is about."""
    response = Axe().run(tab).response
    assert len(response["passes"]) > 10, "axe looked at nothing"
    return [
        f"{each['id']} ({each['impact']}): {each['help']}: {[node['target'] for node in each['nodes']]}"
        for each in response["violations"]
        if each["impact"] in ("serious", "critical")
    ]
