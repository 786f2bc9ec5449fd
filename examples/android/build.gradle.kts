plugins {
    id("com.android.application") version "8.9.1"
    id("org.jetbrains.kotlin.android") version "2.2.21"
}

android {
    namespace = "org.example.handwriting"
    compileSdk = 35
    defaultConfig {
        applicationId = "org.example.handwriting"
        minSdk = 24 // of LiteRT
        targetSdk = 35
        versionCode = 1
        versionName = "1.0"
        ndk { abiFilters += listOf("arm64-v8a", "x86_64") } // phones, and the emulator on a PC
    }
    androidResources { noCompress += "tflite" } // so that it is mapped, not unpacked
}

kotlin { jvmToolchain(17) }

dependencies {
    implementation("com.google.ai.edge.litert:litert:2.3.0")
    implementation("org.jetbrains.kotlinx:kotlinx-coroutines-android:1.10.2")
}
