#!/usr/bin/awk -f
# The collected logs of the public release, in our names:
#   paper/published/from_release.awk release_results.csv > paper/published/release.csv
BEGIN {
    FS = OFS = ","
    split("micro-kitti micro-nyuv2 micro", sets, " ")
    set["kitti"] = sets[1]; set["nyuv2"] = sets[2]; set["idsia"] = sets[3]
    block[4] = "e"; block[5] = "d0"; block[6] = "d1"; block[7] = "d2"
    print "data.set", "data.label", "data.fraction", "data.truth", "weights", "policy", "epochs", "run",
          "cap_m", "abs_rel", "sq_rel", "rmse_m", "rmse_log", "delta1", "delta2", "delta3", "silog"
    fflush() # before what sort prints
}
NR == 1 {
    if ($0 != "dataset,label_px,data_pct,encoder,dec0,dec1,dec2,kind,run,eval,abs_rel,sq_rel," \
              "rmse,rmse_log,d1,d2,d3,silog,source") {
        print FILENAME ": these are other columns" > "/dev/stderr"
        exit 1
    }
    next
}
{
    policy = ""
    for (b = 4; b <= 7; b++)
        if ($b == 1)
            policy = policy (policy == "" ? "" : "+") block[b]
    if (policy == "e+d0+d1+d2")
        policy = "full"
    label = $1 == "idsia" ? "" : $2 == 48 ? "dense" : "tof8"
    epochs = $8 == "scratch" ? "" : $8 == "finetune-1ep" ? 1 : 120
    cap_m = $10 == "unlimited" ? "inf" : $10 == "proxy_dpth" ? "" : $10 + 0
    # The runs over amounts of data are beside runs 0 to 4 over what learns.
    run = $19 ~ /\/partial_data\// ? 5 : $9
    order = cap_m == "inf" ? 1000 : cap_m == 80 ? 0 : cap_m + 1 # 80 m, the main one, comes first
    print order, set[$1], label, $3, $10 == "proxy_dpth" ? "label" : "full",
          $8 == "scratch" ? "scratch" : "tartanair", policy, epochs, run, cap_m,
          $11, $12, $13, $14, $15, $16, $17, $18 | "LC_ALL=C sort -t, -k2,9 -k1,1n | cut -d, -f2-"
}
