/* A folder of runs as a page: all of it is there, nothing is taken for markup, nothing is fetched.
 */
#include <criterion/criterion.h>

#include "shell.h"

static struct scratch_path folder, page;

static void set_up(void) {
    scratch = scratch_open();
    folder = scratch_path(&scratch, "runs & <b>");
    page = scratch_path(&scratch, "page.html");
}

TestSuite(report, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

/* A sweep of four cells of which one failed and one is missing, and a run with its figures. */
static void make_runs(void) {
    struct scratch_path config =
        written("grid.yaml", SMALL_FIELD "sweep: {policy: [d0, full], seed: 0..1}\n");
    struct scratch_path sweep = scratch_path(&scratch, "runs & <b>/s"),
                        one = written("one.yaml", SMALL_FIELD);
    MUDEPTH("sweep", config.text, "-o", sweep.text);
    assert_code(0);
    MUDEPTH("run", one.text, "lr=0.01", "-o", scratch_path(&scratch, "runs & <b>/one.h5").text,
            "--figures");
    assert_code(0);
    cr_assert_eq(shell("cd '%s' && set -- d0-seed*.h5 && rm \"$1\" \"$2\" && "
                       "echo 'no <i>room</i> & \"so\" on' >\"${1%%.h5}.error\"",
                       sweep.text),
                 0, "%s", out);
}

static char *read_page(void) {
    size_t size;
    char *text = (char *)scratch_read(page.text, &size);
    text[size] = '\0';
    return text;
}

static size_t count_of(const char *text, const char *part) {
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        count++;
    return count;
}

Test(report, has_everything_and_fetches_nothing) {
    need_tool("gnuplot");
    make_runs();
    MUDEPTH("report", folder.text, "-o", page.text);
    assert_fine("3 runs in 2 groups, 2 cells not there");
    char *text = read_page();
    static const char *const parts[] = {"runs &#38; &#60;b&#62;</h1>",
                                        "td.text{white-space:pre-wrap", /* of sentences, such as: */
                                        ("<td class=text>no &#60;i&#62;room&#60;/i&#62; &#38; "
                                         "&#34;so&#34; on"),
                                        "<td>failed",
                                        "<td>missing",
                                        "<button>lr</button>",
                                        "<button>dummy.rmse_m</button>",
                                        "full-seed1-",
                                        "one.h5",
                                        "provenance/git_commit",
                                        "provenance/cpu_model",
                                        "mudepth run ",
                                        "lr: 0.01",
                                        "data-value="};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        cr_assert(strstr(text, parts[i]), "no %s", parts[i]);
    cr_assert_null(strstr(text, "<b>/"));
    cr_assert_null(strstr(text, "<i>room"));
    /* The groups' figure, a curve of each group, the run's two; nothing from elsewhere. */
    cr_assert_eq(count_of(text, "src=\"data:image/svg+xml;base64,"), 3);
    cr_assert_eq(count_of(text, "src=\"data:image/png;base64,"), 2);
    cr_assert_eq(count_of(text, "src="), 5 + count_of(text, "img-src data:") - 1);
    cr_assert_null(strstr(text, "http:"));
    cr_assert_null(strstr(text, "https:"));
    cr_assert_null(strstr(text, "url("));
    cr_assert_eq(scratch_count(scratch.folder), 6, "a figure is left beside the page");
    free(text);
}

/* The figures are those files: what is in the page, decoded, has their bytes. */
Test(report, figures_are_whole) {
    need_tool("gnuplot");
    need_tool("base64");
    make_runs();
    MUDEPTH("report", folder.text, "-o", page.text);
    assert_code(0);
    cr_assert_eq(
        shell("cd '%s' && grep -o 'alt=\"sheet\" src=\"data:image/png;base64,[^\"]*' "
              "page.html | sed 's/.*,//' | base64 -d | cmp - 'runs & <b>/one.sheet.png' && "
              "grep -o 'svg+xml;base64,[^\"]*' page.html | head -n 1 | sed 's/.*,//' | "
              "base64 -d | grep -q '</svg>'",
              scratch.folder),
        0, "%s", out);
}

Test(report, what_cannot_be_read_is_said) {
    struct scratch_path broken = scratch_path(&scratch, "runs & <b>/broken.h5");
    need_tool("gnuplot");
    make_runs();
    scratch_write_text(broken.text, "no HDF5");
    MUDEPTH("report", folder.text, "-o", page.text, "--title", "A 'title' & more");
    assert_code(1);
    assert_contains(err, "1 of the files are no whole cells, see the notes");
    char *text = read_page();
    cr_assert(strstr(text, "<li>no whole cell: "));
    cr_assert(strstr(text, "<title>A &#39;title&#39; &#38; more</title>"));
    free(text);
    MUDEPTH("report", folder.text, "-o", page.text);
    assert_fails(2, "page.html: is there already");
    MUDEPTH("report", page.text, "-o", scratch_path(&scratch, "b.html").text);
    assert_fails(1, "page.html: expected a folder");
    mkdir(scratch_path(&scratch, "none").text, 0777);
    MUDEPTH("report", scratch_path(&scratch, "none").text, "-o",
            scratch_path(&scratch, "b.html").text);
    assert_fails(1, "none: expected finished cells, found none");
    cr_assert_neq(access(scratch_path(&scratch, "b.html").text, F_OK), 0);
}

/* In a browser: a click on rmse_m puts the best group first, a second one the worst. */
Test(report, tables_sort) {
    need_tool("gnuplot");
    need_tool("chromium");
    make_runs();
    MUDEPTH("report", folder.text, "-o", page.text);
    assert_code(0);
    cr_assert_eq(
        shell("cd '%s' && cat page.html - >click.html <<'E'\n"
              "<p id=said><script>{const b = [...document.querySelectorAll('.sorts')].at(-1)"
              ".querySelectorAll('button');\n"
              "const c = [...b].find(x => x.textContent == 'rmse_m'), said = [];\n"
              "for (let i = 0; i < 2; i++) { c.click(); said.push([...c.closest('table').tBodies[0]"
              ".rows].map(r => r.cells[c.parentNode.cellIndex].textContent.trim())); }\n"
              "const up = [...said[0]].sort((p, q) => p - q);\n"
              "document.getElementById('said').textContent = up.length == 3 && "
              "said[0].join() == up.join() && said[1].join() == up.reverse().join() ? 'sorted' : "
              "'not: ' + said;}</script>\nE\n"
              "HOME=. chromium --headless --no-sandbox --disable-gpu --dump-dom click.html "
              "2>/dev/null | grep -o '<p id=\"said\">[^<]*'",
              scratch.folder),
        0, "%s", out);
    assert_contains(out, ">sorted");
}
