/**
 * elementary.h: exp, log and their kin with the same bits on every machine.
 *
 * The C library's versions differ between releases and between processors with and without FMA. Whatever decides bits
 * (schedules, bias corrections, normal draws, activations) calls these instead. They use additions, multiplications,
 * divisions, square roots and bit operations only, in a fixed order. Accurate to 2 ulp; special values as in C's
 * Annex F.
 * The float versions over whole rows are in tensor's kernels. All functions are pure.
 */
#ifndef LOCKSTEP_ELEMENTARY_H
#define LOCKSTEP_ELEMENTARY_H

double ls_exp(double x);
double ls_expm1(double x);
double ls_log(double x);
double ls_log1p(double x);
double ls_tanh(double x);
double ls_erf(double x);
double ls_sin(double x);
double ls_cos(double x);
/** x to the power y; an integer y is exact repeated squaring where |y| <= 64. */
double ls_pow(double x, double y);

#endif
