#!/usr/bin/env bash
# The efficiencies in results.txt as a picture: points are simulated, lines are the formula.
# usage: plot.sh >scaling.svg
set -eu
results=$(cd "$(dirname "$0")" && pwd)/results.txt

curve() { # NETWORK WIRE PLATFORM POINT COLOUR TITLE
  local rows="< grep -E '^$1 +64 $2 +$3 ' '$results'"
  echo "\"$rows\" using 5:9 with lines lw 1.5 lc rgb '$5' notitle,"
  echo "\"$rows\" using 5:8 with points pt $4 ps 0.8 lc rgb '$5' title '$6'"
}

curves() { # CURVE... as one line, separated by commas
  local line
  line=$(printf '%s,' "$@" | tr '\n' ' ')
  echo "plot ${line%,}"
}

gnuplot <<END
set terminal svg size 820,380 font "sans-serif,13" background "#ffffff"
set multiplot layout 1,2
set logscale x 2
set xrange [0.9:1150]
set yrange [0:105]
set xtics ("1" 1, "4" 4, "16" 16, "64" 64, "256" 256, "1,024" 1024)
set xlabel "nodes, one rank each, 64 samples a rank"
set ylabel "efficiency, %"
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror out
set key samplen 1.5 spacing 1.1
set title "convolutional, 0.4 M parameters"
set key at graph 0.95, graph 0.62
$(curves "$(curve cnn float32 ib100 7 '#1f5fa8' '100 Gb/s')" \
  "$(curve cnn float32 eth10 5 '#d9730d' '10 Gb/s')" "$(curve cnn float32 eth1 9 '#777777' '1 Gb/s')")
set title "784-1024-1024-10, 1.9 M parameters"
set key at graph 0.99, graph 0.72
$(curves "$(curve dense bf16 ib100 11 '#2e8b57' '100 Gb/s, wire bf16')" \
  "$(curve dense float32 ib100 7 '#1f5fa8' '100 Gb/s')" "$(curve dense bf16 eth10 13 '#c9a227' '10 Gb/s, wire bf16')" \
  "$(curve dense float32 eth10 5 '#d9730d' '10 Gb/s')" "$(curve dense float32 eth1 9 '#777777' '1 Gb/s')")
END
