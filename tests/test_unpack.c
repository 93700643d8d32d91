/* Archives of data sets: good ones, and those that somebody means ill with. */
#include <criterion/criterion.h>
#include <stdint.h>

#include "../datasets/sample.h"
#include "shell.h"

static struct scratch_path archive, folder;

static void set_up(void) {
    scratch = scratch_open();
    archive = scratch_path(&scratch, "set.tar");
    folder = scratch_path(&scratch, "set");
}

TestSuite(unpack, .init = set_up, .fini = scratch_tear_down, .timeout = 600);

/* ---- archives by hand ------------------------------------------------------------------------ */

struct member {
    const char *name;
    char type; /* of ustar: '0' file, '1' hard link, '2' symbolic link, '3' device, '5' folder */
    const char *text, *link;
};

static size_t put_member(unsigned char *to, const struct member *m) {
    const size_t size = m->text != NULL ? strlen(m->text) : 0;
    char *header = (char *)to;
    unsigned sum = 0;
    memset(to, 0, 512);
    snprintf(header, 100, "%s", m->name);
    memcpy(header + 100, "0000644", 8);
    memcpy(header + 108, "0000000", 8);
    memcpy(header + 116, "0000000", 8);
    snprintf(header + 124, 12, "%011o", (unsigned)size);
    memcpy(header + 136, "00000000000", 12);
    memset(header + 148, ' ', 8);
    header[156] = m->type;
    snprintf(header + 157, 100, "%s", m->link != NULL ? m->link : "");
    memcpy(header + 257, "ustar\00000", 8);
    for (int i = 0; i < 512; i++)
        sum += to[i];
    snprintf(header + 148, 8, "%06o", sum & 0777777u);
    memset(to + 512, 0, 512);
    memcpy(to + 512, m->text != NULL ? m->text : "", size);
    return size > 0 ? 1024 : 512;
}

static size_t write_archive(const struct member *members, size_t count) {
    static unsigned char bytes[16384];
    size_t size = 0;
    for (size_t m = 0; m < count; m++)
        size += put_member(bytes + size, &members[m]);
    memset(bytes + size, 0, 1024);
    scratch_write(archive.text, bytes, size + 1024);
    return size + 1024;
}

static void unpack(void) {
    MUDEPTH("data", "unpack", archive.text, "-o", folder.text);
}

static void assert_refused(const char *part) {
    unpack();
    assert_fails(1, part);
    assert_contains(err, archive.text);
    cr_assert_neq(access(folder.text, F_OK), 0);
    cr_assert_eq(shell("ls -d '%s'.tmp* 2>/dev/null", folder.text) == 0, 0, "left: %s", out);
}

/* ---- tests ----------------------------------------------------------------------------------- */

Test(unpack, what_tar_packs) {
    static const char *const ways[][2] = {{"set.tar", "-cf"}, {"set.tar.gz", "-czf"}};
    cr_assert_eq(shell("cd '%s' && mkdir -p a/b/c a/none && echo one >a/1.csv && head -c 100000 "
                       "/dev/urandom >a/b/c/2.npy && chmod 400 a/1.csv",
                       scratch.folder),
                 0, "%s", out);
    for (int w = 0; w < 2; w++) {
        archive = scratch_path(&scratch, "%s", ways[w][0]);
        folder = scratch_path(&scratch, "set%d", w);
        cr_assert_eq(shell("cd '%s' && tar %s %s ./a", scratch.folder, ways[w][1], ways[w][0]), 0);
        unpack();
        assert_fine("2 files in 4 folders, 0.1 MB");
        cr_assert_eq(
            shell("cd '%s' && diff -r a set%d/a && test -w set%d/a/1.csv", scratch.folder, w, w), 0,
            "%s", out);
    }
    unpack();
    assert_fails(2, "set1: is there already");
}

/* Someone who has not unpacked a set is told how. */
Test(unpack, an_archive_is_no_set) {
    static const char *const sets[] = {"micro-kitti", "matrix", "kitti", "rgbd", "h5"};
    static const char *const names[] = {"set.tar", "set.tar.gz", "SET.TGZ"};
    char spec[8192], asked[8192];
    for (size_t i = 0; i < 3 * sizeof sets / sizeof *sets; i++) {
        archive = scratch_path(&scratch, "%s", names[i % 3]);
        scratch_write_text(archive.text, "whatever is in it");
        snprintf(spec, sizeof spec, "{set: %s, root: '%s', split: all}", sets[i / 3], archive.text);
        snprintf(asked, sizeof asked, "mudepth data unpack %s -o %s", archive.text,
                 scratch_path(&scratch, i % 3 < 2 ? "set\n" : "SET\n").text);
        MUDEPTH("data", "info", spec);
        assert_fails(1, asked);
    }
}

/* With --force too: what is bad changes nothing, and what is not in the archive stays. */
Test(unpack, into_a_folder_that_is_there) {
    const struct member members[] = {{"a/b", '0', "new", NULL}, {"../c", '0', "bad", NULL}};
    struct scratch_path old = written("set/a/b", "old"), other = written("set/a/mine", "mine");
    size_t size;
    for (size_t good = 2; good-- > 0;) {
        write_archive(members, 2 - good);
        MUDEPTH("data", "unpack", archive.text, "-o", folder.text, "--force");
        assert_code(good == 0);
        char *text = (char *)scratch_read(old.text, &size);
        cr_assert_eq(strncmp(text, "new", 3), 0);
        free(text);
        cr_assert_eq(access(other.text, F_OK), 0);
        cr_assert_eq(scratch_count(scratch_path(&scratch, "set/").text), 1);
    }
    cr_assert_neq(shell("ls -d '%s'.tmp*", folder.text), 0, "left: %s", out);
}

/* What fails when some are in their places already is taken back. */
Test(unpack, all_or_nothing_of_what_is_replaced) {
    const struct member members[] = {{"a/b", '0', "new", NULL},
                                     {"new/c", '0', "new", NULL},
                                     {"none/", '5', NULL, NULL},
                                     {"z", '0', "no folder", NULL}};
    written("set/a/b", "old");
    written("set/z/mine", "mine");
    scratch_path(&scratch, "set/none/");
    write_archive(members, 4);
    MUDEPTH("data", "unpack", archive.text, "-o", folder.text, "--force");
    assert_fails(1, "set.tar: z: there is a folder of that name already");
    cr_assert_eq(shell("cd '%s' && find . -type f -o -type d -name n* | sort && cat set/a/b",
                       scratch.folder),
                 0);
    cr_assert_str_eq(out, "./set.tar\n./set/a/b\n./set/none\n./set/z/mine\n./stderr\n./stdout\n"
                          "old");
    cr_assert_eq(scratch_count(scratch.folder), 4, "set, set.tar, stdout, stderr");
}

Test(unpack, hostile_archives_are_refused) {
    static const struct {
        struct member bad;
        const char *says;
    } hostile[] = {
        {{"/tmp/x", '0', "x", NULL}, "/tmp/x: an absolute name"},
        {{"../x", '0', "x", NULL}, "../x: the name leads out of the folder"},
        {{"a/../../x", '0', "x", NULL}, "the name leads out of the folder"},
        {{"a/..", '5', NULL, NULL}, "the name leads out of the folder"},
        {{"link", '2', NULL, "/etc"}, "link: expected a file or a folder, found a link"},
        {{"hard", '1', NULL, "good"}, "hard: expected a file or a folder"},
        {{"device", '3', NULL, NULL}, "device: expected a file or a folder"},
        {{"pipe", '6', NULL, NULL}, "pipe: expected a file or a folder"},
        {{"good", '0', "other", NULL}, "good: is there twice"},
        {{".//./good", '0', "other", NULL}, "good: is there twice"},
        {{"good/below", '0', "x", NULL}, "there is a file of that name already"},
        {{"good", '5', NULL, NULL}, "there is a file of that name already"},
        {{"d", '0', "x", NULL}, "d: is there twice"},
        {{"./", '0', "x", NULL}, ""},
    };
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        const struct member members[] = {{"good", '0', "fine", NULL},
                                         {"d/", '5', NULL, NULL},
                                         {"d/e", '0', "e", NULL},
                                         hostile[i].bad,
                                         {"last", '0', "z", NULL}};
        write_archive(members, sizeof members / sizeof *members);
        assert_refused(hostile[i].says);
    }
    cr_assert_neq(access(scratch_path(&scratch, "x").text, F_OK), 0);
}

/* Wherever it is cut: an error, and nothing is left. */
Test(unpack, truncated_archives_are_refused) {
    const struct member members[] = {
        {"a", '0', "fine", NULL}, {"b/", '5', NULL, NULL}, {"b/c", '0', "c", NULL}};
    const size_t size = write_archive(members, 3);
    for (size_t length = 0; length < size; length += 256) {
        write_archive(members, 3);
        cr_assert_eq(truncate(archive.text, (off_t)length), 0);
        assert_refused("");
    }
    write_archive(members, 3);
    cr_assert_eq(
        shell("cd '%s' && gzip -k set.tar && head -c -9 set.tar.gz >cut.tar.gz", scratch.folder),
        0);
    archive = scratch_path(&scratch, "cut.tar.gz");
    assert_refused("");
}

Test(unpack, other_files_are_refused) {
    assert_refused("cannot open: No such file");
    scratch_write_text(archive.text, "no archive at all, but text that is long enough");
    assert_refused("");
    MUDEPTH("data", "unpack", scratch.folder, "-o", folder.text);
    assert_fails(1, "cannot open: not a regular file");
    write_archive(NULL, 0);
    assert_refused("no files in it");
}

/* 100 MB of zeros in 100 kB; and a disk that is full in the midst of it. */
Test(unpack, bombs_and_full_disks_leave_nothing) {
    cr_assert_eq(shell("cd '%s' && head -c 100000000 /dev/zero >zeros && tar -czf set.tar zeros && "
                       "rm zeros",
                       scratch.folder),
                 0, "%s", out);
    assert_refused("zeros: the archive unpacks to more than 200 times its size");
    cr_assert_eq(shell("cd '%s' && head -c 100000 /dev/urandom >noise && tar -cf set.tar noise",
                       scratch.folder),
                 0);
    call(WORDS("data", "unpack", archive.text, "-o", folder.text),
         (struct manner){.file_bytes = 50000});
    assert_fails(1, "noise: File too large");
    cr_assert_neq(access(folder.text, F_OK), 0);
}

/* datasets/README.md: every set there is has a row, and its command is one: a set that is not there
 * is what it ends with, no misuse. */
Test(unpack, the_page_of_sets_is_true) {
    size_t size;
    char *text = (char *)scratch_read("datasets/README.md", &size);
    text[size] = '\0';
    for (int set = 0; md_data_set_names[set] != NULL; set++) {
        char name[60];
        snprintf(name, sizeof name, "`%s`", md_data_set_names[set]);
        cr_assert(strcmp(name, "`recording`") == 0 || strcmp(name, "`cache`") == 0 ||
                      strstr(text, name),
                  "no row for %s", name);
    }
    int commands = 0;
    for (char *at = text; (at = strstr(at, "`mudepth data verify '")) != NULL; commands++) {
        char *spec = at + strlen("`mudepth data verify '"), *end = strchr(spec, '\'');
        *end = '\0';
        MUDEPTH("data", "verify", spec);
        if (strstr(spec, "set: synthetic"))
            assert_fine("sound");
        else
            assert_code(1);
        at = end + 1;
    }
    cr_assert_geq(commands, 12);
    free(text);
}
