/* mudepth log: what a run gave step by step, of its cell. */
#include "../results/cell.h"
#include "command.h"
#include "runlog.h"

static int run(const struct md_invocation *call, struct md_error *error) {
    struct md_cell cell;
    struct md_cell_history history;
    const char *path = call->words[0];
    MD_TRY(md_cell_read(path, &cell, error));
    MD_TRY(md_cell_read_history(path, &history, error));
    int64_t batch = cell.config.batch;
    md_log_all(stdout, history.epoch, history.epochs, history.step, history.step_rows,
               (cell.data_samples[0] + batch - 1) / batch);
    md_cell_history_free(&history);
    return MD_OK;
}

const struct md_command md_command_log = {
    .name = "log",
    .summary = "print what a finished run gave, step by step and epoch by epoch",
    .words = {{"CELL.h5", MD_WORD_PATH, MD_ONE, NULL}},
    .notes =
        "A JSON object for each step and each epoch, a line each, as a run writes them to its "
        "log while it goes on (mudepth help run):\n"
        "  "
        "{\"event\":\"step\",\"step\":3,\"epoch\":1,\"train_loss\":0.25,\"learning_rate\":0.001}\n"
        "  "
        "{\"event\":\"epoch\",\"step\":25,\"epoch\":1,\"train_loss\":0.31,\"validation_loss\":0.28,"
        "\n"
        "   \"validation_rmse_m\":0.61,\"learning_rate\":0.001}   (one line too)\n"
        "Steps and epochs count from 1, steps through all epochs; null is no number. A cell keeps "
        "4096 rows: of more steps a line is the mean of several, and step the last of them. A run "
        "that is resumed goes on behind the last step of its checkpoint. For TensorBoard:\n"
        "  import json; from torch.utils.tensorboard import SummaryWriter; w = "
        "SummaryWriter(\"tb\")\n"
        "  for e in map(json.loads, open(\"run.jsonl\")):\n"
        "      [w.add_scalar(e[\"event\"] + \"/\" + k, v, e[\"step\"]) for k, v in e.items() if "
        "type(v) is float]",
    .examples = "  mudepth log results/runs/CELL.h5 >run.jsonl",
    .run = run};
