/* The config's teacher: a larger network whose features, in the stages of its decoders, those of
 * the student are to resemble (struct md_distill in core/ops.h). */
#ifndef MD_EXPERIMENTS_TEACHER_H
#define MD_EXPERIMENTS_TEACHER_H

#include "config.h"

struct md_teacher {
    struct md_engine engine;
    void *arena;     /* NULL: there is no teacher */
    char digest[33]; /* of its weights; "": of none */
    const struct md_network *student;
    int stage[MD_MAX_LAYERS]; /* of the teacher's layers: the student's layer that is held to
                               * it; MD_PICTURE: none is */
    int8_t
        *features[MD_MAX_LAYERS]; /* of the student's layers: as md_engine_set_teacher wants them,
                                   * of the picture that was looked at last; NULL: of none */
    size_t bytes[MD_MAX_LAYERS];  /* of these */
};

/* Prepares the config's teacher, if it has one, for a student's plan; with weights from scratch. */
int md_teacher_open(const struct md_config *config, const struct md_plan *student,
                    struct md_team *team, struct md_teacher *teacher, struct md_error *error);
void md_teacher_close(struct md_teacher *teacher);

/* Sets md_parameter_total weights of the teacher's network, and teacher->digest. */
void md_teacher_set_weights(struct md_teacher *teacher, const float *weights);

/* Computes teacher->features of a picture as the student sees it. Each pixel's features become
 * bytes, the largest of them 127 or -127: only their direction counts. Where the student's label
 * has no value in any pixel that a feature's pixel covers, they are 0 and do not count. */
void md_teacher_infer(struct md_teacher *teacher, const uint8_t *picture, const float *label);

#endif
