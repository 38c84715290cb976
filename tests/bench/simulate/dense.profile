# dense: 1863690 parameters
# forward 1.15 ms, backward 2.11 ms, 64 samples a step, math exact
need 803840 0.000505
need 1853440 0.00062
need 1870848 0.00002
need 0 0.000005
ready 1870848 1.6e-07
ready 1870848 1.1e-06
ready 1853440 5.19e-05
ready 1853440 1.18e-05
ready 803840 0.00133
ready 803840 1.25e-05
ready 0 0.0007
add 1.22e-10
norm 5.7e-11
update 1.83e-10
