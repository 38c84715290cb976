# cnn: 421642 parameters
# forward 3.75 ms, backward 6.59 ms, 64 samples a step, math exact
need 2048 0.000494
need 0 0.000278
need 21504 0.00224
need 0 0.000424
need 0 4.04e-05
need 423936 0.000267
need 427008 2.91e-06
need 0 5.74e-06
ready 427008 2.1e-07
ready 427008 1.41e-06
ready 423936 1.14e-05
ready 423936 2.5e-06
ready 21504 0.000621
ready 21504 3.31e-05
ready 21504 0.000183
ready 21504 0.000203
ready 2048 0.00419
ready 2048 0.000355
ready 2048 0.000512
ready 0 0.000478
add 2.13e-10
norm 6.48e-11
update 2.36e-10
