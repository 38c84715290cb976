# cnn: 421642 parameters
# forward 4.38 ms, backward 7.04 ms, 64 samples a step, math exact
need 2048 0.000575
need 0 0.000315
need 21504 0.00263
need 0 0.0005
need 0 2.6e-05
need 423936 0.00031
need 427008 4.4e-06
need 0 8.6e-06
ready 427008 3.5e-07
ready 427008 1.52e-06
ready 423936 1.11e-05
ready 423936 2.1e-06
ready 21504 0.000839
ready 21504 1.96e-05
ready 21504 0.000163
ready 21504 0.000161
ready 2048 0.0046
ready 2048 0.000344
ready 2048 0.000427
ready 0 0.000473
add 1.9e-10
norm 5.93e-11
update 2.2e-10
