#include "lockstep/elementary.h"

#include <math.h>

double ls_exp(double x) { return exp(x); }
double ls_expm1(double x) { return expm1(x); }
double ls_log(double x) { return log(x); }
double ls_log1p(double x) { return log1p(x); }
double ls_tanh(double x) { return tanh(x); }
double ls_erf(double x) { return erf(x); }
double ls_sin(double x) { return sin(x); }
double ls_cos(double x) { return cos(x); }
double ls_pow(double x, double y) { return pow(x, y); }
