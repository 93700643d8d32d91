#include "nearest.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST = 63 };

/* Levenshtein's distance, in which two neighbours that changed places count as one too. */
static int distance_of(const char *a, const char *b) {
    int rows[3][LONGEST + 1], length_a = (int)strlen(a), length_b = (int)strlen(b);
    for (int j = 0; j <= length_b; j++)
        rows[0][j] = j;
    for (int i = 1; i <= length_a; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *top = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= length_b; j++) {
            int least = above[j - 1] + (a[i - 1] != b[j - 1]);
            least = above[j] + 1 < least ? above[j] + 1 : least;
            least = row[j - 1] + 1 < least ? row[j - 1] + 1 : least;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                least = top[j - 2] + 1 < least ? top[j - 2] + 1 : least;
            row[j] = least;
        }
    }
    return rows[length_a % 3][length_b];
}

struct md_nearest md_nearest_to(const char *word) {
    size_t length = strlen(word);
    int most = length > LONGEST ? 0 : length > 5 ? (int)length / 3 : length > 1;
    return (struct md_nearest){word, most + 1, ""};
}

void md_nearest_try(struct md_nearest *nearest, const char *name) {
    if (nearest->distance <= 1 || strlen(name) > LONGEST)
        return;
    int distance = distance_of(nearest->word, name);
    if (distance >= nearest->distance)
        return;
    nearest->distance = distance;
    strcpy(nearest->name, name);
}

const char *md_nearest_hint(const struct md_nearest *nearest, char text[MD_NEAREST_SIZE]) {
    snprintf(text, MD_NEAREST_SIZE, nearest->name[0] != '\0' ? "; did you mean %s?" : "%s",
             nearest->name);
    return text;
}
