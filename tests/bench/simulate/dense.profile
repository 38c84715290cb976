# dense: 1863690 parameters
# forward 1.18 ms, backward 2.12 ms, 64 samples a step, math exact
need 803840 0.000502
need 1853440 0.000653
need 1870848 1.68e-05
need 0 5.03e-06
ready 1870848 2.91e-07
ready 1870848 1.55e-06
ready 1853440 6.21e-05
ready 1853440 1.29e-05
ready 803840 0.0013
ready 803840 1.22e-05
ready 0 0.000722
add 1.48e-10
norm 6.21e-11
update 2.26e-10
