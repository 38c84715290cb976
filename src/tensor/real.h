/*
 * real.h: float by default, double where LS_DOUBLE is defined.
 *
 * Operators and the scalar kernels are compiled twice: once for training, once in double for gradient checks. They
 * write `real` and name what they define by LS_REAL(name), which is ls_x or ls_x_double.
 */
#ifndef LOCKSTEP_TENSOR_REAL_H
#define LOCKSTEP_TENSOR_REAL_H

#ifdef LS_DOUBLE
typedef double real;
#define LS_REAL(name) name##_double
#else
typedef float real;
#define LS_REAL(name) name
#endif

#endif
