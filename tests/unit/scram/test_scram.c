/* SCRAM: the exchanges of the RFCs and of MongoDB's specification, and challenges gone wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "mongo/mongo_salt.h"
#include "scram/scram.h"

/* MongoDB's specification "Authentication", SCRAM-SHA-1 and SCRAM-SHA-256: user "user", password
 * "pencil". The nonce is the test's. */
static const struct {
    enum scram_hash hash;
    const char *nonce, *challenge, *final, *proof;
} vectors[] = {
    {SCRAM_SHA_1, "fyko+d2lbbFgONRv9qkxdawL",
     "r=fyko+d2lbbFgONRv9qkxdawLHo+Vgk7qvUOKUwuWLIWg4l/9SraGMHEE,s=rQ9ZY3MntBeuP3E1TDVC4w==,"
     "i=10000",
     "c=biws,r=fyko+d2lbbFgONRv9qkxdawLHo+Vgk7qvUOKUwuWLIWg4l/9SraGMHEE,"
     "p=MC2T8BvbmWRckDw8oWl5IVghwCY=",
     "v=UMWeI25JD1yNYZRMpZ4VHvhZ9e0="},
    {SCRAM_SHA_256, "rOprNGfwEbeRWgbNEkqO",
     "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
     "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

static struct scram s;
static struct err e;
static struct buf out;

static void begin(enum scram_hash hash, const char *nonce)
{
    buf_init(&out, 4096);
    assert_int_equal(scram_first(&s, hash, "user", &out, &e), 0);
    assert_true(str_starts(out.data, "n,,n=user,r="));
    assert_int_equal(strlen(s.nonce), 32);
    buf_reset(&s.auth);
    buf_printf(&s.auth, "n=user,r=%s", nonce);
    strcpy(s.nonce, nonce);
    buf_reset(&out);
}

static void end(void)
{
    scram_fini(&s);
    buf_fini(&out);
}

static void exchanges(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        begin(vectors[i].hash, vectors[i].nonce);
        const char *challenge = vectors[i].challenge;
        assert_int_equal(scram_challenge(&s, challenge, strlen(challenge), &e), 0);
        assert_false(s.keys.valid);
        assert_int_equal(mongo_salt(&s.keys, "user", "pencil"), 0);
        assert_int_equal(scram_final(&s, &out, &e), 0);
        assert_string_equal(out.data, vectors[i].final);
        assert_int_equal(scram_verify(&s, vectors[i].proof, strlen(vectors[i].proof), &e), 0);
        assert_int_equal(scram_verify(&s, vectors[i].proof, strlen(vectors[i].proof) - 4, &e), -1);
        assert_int_equal(scram_verify(&s, "e=other-error", 13, &e), -1);
        assert_int_equal(scram_verify(&s, "", 0, &e), -1);
        end();
    }
}

/* The keys of one exchange hold for the next with the same salt, and for no other. */
static void keys_are_kept(void **state)
{
    (void)state;
    const char *challenge = vectors[1].challenge;
    begin(SCRAM_SHA_256, vectors[1].nonce);
    assert_int_equal(scram_challenge(&s, challenge, strlen(challenge), &e), 0);
    assert_int_equal(mongo_salt(&s.keys, "user", "pencil"), 0);
    assert_int_equal(scram_challenge(&s, challenge, strlen(challenge), &e), 0);
    assert_true(s.keys.valid);
    char other[256];
    snprintf(other, sizeof other, "%s", challenge);
    memcpy(strstr(other, "s=W"), "s=X", 3);
    assert_int_equal(scram_challenge(&s, other, strlen(other), &e), 0);
    assert_false(s.keys.valid);
    end();
}

static void bad_challenges(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "r=",
        "r=abc",
        "e=no",
        "r=abcd,s=W22ZaJ0SNY7soEsUEjb6gQ==",
        "r=abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",  /* nothing added to our nonce */
        "r=xbcd,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", /* not ours */
        "r=abcd,s=,i=4096",
        "r=abcd,s=W,i=4096",
        "r=abcd,s=====,i=4096",
        "r=abcd,s=!!!!,i=4096",
        "r=abcd,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095",
        "r=abcd,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=200001",
        "r=abcd,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999",
        "r=abcd,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-5000",
        "r=abcd,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=",
        "s=W22ZaJ0SNY7soEsUEjb6gQ==,r=abcd,i=4096",
        "r=abcd,s=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAA,i=4096",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin(SCRAM_SHA_256, "abc");
        if (scram_challenge(&s, rows[i], strlen(rows[i]), &e) == 0)
            fail_msg("\"%s\" was taken", rows[i]);
        end();
    }
}

static void names(void **state)
{
    (void)state;
    buf_init(&out, 4096);
    assert_int_equal(scram_first(&s, SCRAM_SHA_1, "a=b,c", &out, &e), 0);
    assert_true(str_starts(out.data, "n,,n=a=3Db=2Cc,r="));
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchanges),
        cmocka_unit_test(keys_are_kept),
        cmocka_unit_test(bad_challenges),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
